//! Texts that are safe in a line, in a column and on a terminal.

/// A path or another value as the registry writes it: octal escapes for blanks, control characters, `\`, `*`.
///
/// Bytes that are not UTF-8 are escaped too, which the registry has no need for: a terminal would show them as
/// anything. Reading the escapes gives the bytes back.
pub(super) fn value(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || matches!(character, ' ' | '\\' | '*') {
                escape(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut out);
            } else {
                out.push(character);
            }
        }
        escape(chunk.invalid(), &mut out);
    }
    out
}

/// A sentence, with nothing in it that could end its line or its column, or command a terminal.
pub(crate) fn sentence(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            escape(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut out);
        } else {
            out.push(character);
        }
    }
    out
}

fn escape(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        out.push_str(&format!("\\{byte:03o}"));
    }
}
