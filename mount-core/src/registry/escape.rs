//! Three-digit octal escapes, for paths and option values.

use std::borrow::Cow;

use crate::bytes::octal;

/// Appends `bytes`, with every byte that separates or ambiguates escaped.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        if needs_escape(byte) {
            out.extend([b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]);
        } else {
            out.push(byte);
        }
    }
}

/// The bytes that `text` stands for; allocates only when there is an escape.
///
/// `None` when a backslash is not followed by three octal digits of at most `377`. Escapes that
/// were not necessary are read too: people write files by hand.
pub(super) fn decode(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(first) = text.iter().position(|&byte| byte == b'\\') else {
        return Some(Cow::Borrowed(text));
    };
    let mut bytes = Vec::with_capacity(text.len());
    bytes.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'\\' {
            bytes.push(octal(tail)?);
            rest = &tail[3..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    Some(Cow::Owned(bytes))
}

fn needs_escape(byte: u8) -> bool {
    is_separator(byte) || byte == b'\\' || byte == b'*'
}

/// Bytes that never stand for themselves in a path of the file.
pub(super) fn is_separator(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_of_four_hundred_octal_is_refused() {
        assert_eq!(decode(br"\377").as_deref(), Some(&[0xff][..]));
        assert_eq!(decode(br"\400"), None);
        assert_eq!(decode(br"\04"), None);
        assert_eq!(decode(br"a\"), None);
    }

    #[test]
    fn text_without_backslash_is_borrowed() {
        assert!(matches!(decode(b"/srv/mail"), Some(Cow::Borrowed(_))));
    }

    proptest! {
        #[test]
        fn decode_is_the_inverse_of_encode(bytes: Vec<u8>) {
            let mut text = Vec::new();
            encode(&bytes, &mut text);
            prop_assert!(!text.iter().any(|&byte| is_separator(byte) || byte == b'*'));
            let decoded = decode(&text);
            prop_assert_eq!(decoded.as_deref(), Some(&bytes[..]));
        }
    }
}
