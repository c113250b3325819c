//! Paths as bytes: lexical cleaning, components, and the octal escapes of mount tables and registries.

use std::borrow::Cow;
use std::path::Path;

use std::os::unix::ffi::OsStrExt;

use crate::bytes::octal;
use crate::error::{Error, ErrorKind, quoted};

/// The longest path the kernel takes, its NUL included.
pub(crate) const PATH_MAX: usize = 4096;

/// An absolute path without empty components, `.` and a trailing `/`. A `..` stays: what it leads to depends on
/// the symlinks before it. Costs no allocation when the path is clean already.
///
/// # Errors
/// [`ErrorKind::Data`] for an empty or relative path, one with a NUL byte, and one longer than `PATH_MAX`.
pub(crate) fn clean(path: &Path) -> Result<Cow<'_, [u8]>, Error> {
    let bytes = path.as_os_str().as_bytes();
    let refuse = |why: &str| Err(Error::new(ErrorKind::Data, format!("path {} {why}", quoted(path))));
    if bytes.is_empty() {
        return refuse("is empty; name an absolute path");
    }
    if bytes[0] != b'/' {
        return refuse("is relative; name it from / on");
    }
    if bytes.len() >= PATH_MAX {
        let why = format!("is {} bytes long; the kernel takes {} at most", bytes.len(), PATH_MAX - 1);
        return Err(Error::new(
            ErrorKind::Data,
            format!("path {}... {why}", quoted(&crate::error::path_buf(&bytes[..32]))),
        ));
    }
    if is_clean(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    if bytes.contains(&0) {
        return refuse("has a NUL byte, which no path can have");
    }
    Ok(Cow::Owned(normalise(bytes)))
}

/// Whether there is nothing to normalise and nothing to refuse in a path that begins with `/`. In one pass over it, since
/// each question begins with this.
fn is_clean(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        match (first, after) {
            (0, _) | (b'/', [b'/', ..] | [b'.'] | [b'.', b'/', ..]) => return false,
            (b'/', []) => return bytes.len() == 1,
            _ => rest = after,
        }
    }
    true
}

fn normalise(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for component in components(bytes).filter(|component| *component != b".") {
        out.push(b'/');
        out.extend_from_slice(component);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

/// The components of a path, empty ones left out.
pub(crate) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
}

/// The ends of all prefixes of a clean path, shallow first and `/` left out: 4 and 9 for `/srv/mail`.
pub(crate) fn prefix_ends(path: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (2..=path.len()).filter(|end| path.get(*end).is_none_or(|byte| *byte == b'/'))
}

/// Appends one component to a clean path.
pub(crate) fn push(path: &mut Vec<u8>, component: &[u8]) {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(component);
}

/// Takes the last component off a clean path; `/` stays.
pub(crate) fn pop(path: &mut Vec<u8>) {
    let cut = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.truncate(cut.max(1));
}

/// The directory that a clean path lies in; `/` for `/`.
pub(crate) fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(cut) if cut > 0 => &path[..cut],
        _ => b"/",
    }
}

/// Whether a clean path is another or lies below it, by whole components.
pub(crate) fn is_within(path: &[u8], ancestor: &[u8]) -> bool {
    match path.strip_prefix(ancestor) {
        Some(rest) => rest.is_empty() || rest[0] == b'/' || ancestor == b"/",
        None => false,
    }
}

/// Decodes `\ooo` escapes. What is not an escape of three octal digits up to `\377` stays as it is.
pub(crate) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if let Some(byte) = rest.strip_prefix(b"\\").and_then(octal) {
            out.push(byte);
            rest = &rest[4..];
        } else {
            out.push(first);
            rest = after;
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(path: &str) -> String {
        let path = Path::new(path);
        String::from_utf8(clean(path).expect("a usable path").into_owned()).expect("ascii")
    }

    #[test]
    fn slashes_and_dots_go_and_double_dots_stay() {
        assert_eq!(cleaned("//srv//mail/./bob/"), "/srv/mail/bob");
        assert_eq!(cleaned("/srv/../mail"), "/srv/../mail");
        assert_eq!(cleaned("///"), "/");
        assert_eq!(cleaned("/."), "/");
    }

    #[test]
    fn unusable_paths_are_named() {
        for (path, word) in [("", "empty"), ("mail", "relative"), ("/a\0b", "NUL")] {
            let error = clean(Path::new(path)).expect_err(path);
            assert_eq!(error.kind(), ErrorKind::Data);
            assert!(error.to_string().contains(word), "{error}");
        }
        let long = format!("/{}", "x".repeat(PATH_MAX));
        assert!(clean(Path::new(&long)).expect_err("too long").to_string().contains("4095"));
    }

    #[test]
    fn prefixes_are_whole_components() {
        let ends: Vec<usize> = prefix_ends(b"/srv/mail").collect();
        assert_eq!(ends, [4, 9]);
        assert_eq!(prefix_ends(b"/").count(), 0);
    }

    #[test]
    fn within_is_by_whole_components() {
        assert!(is_within(b"/run/mail", b"/run"));
        assert!(is_within(b"/run", b"/run"));
        assert!(is_within(b"/run", b"/"));
        assert!(!is_within(b"/runmail", b"/run"));
    }

    #[test]
    fn escapes_decode_and_near_escapes_stay() {
        assert_eq!(unescape(br"/a\040b\134c").as_ref(), b"/a b\\c");
        assert_eq!(unescape(br"/a\04").as_ref(), br"/a\04");
        assert_eq!(unescape(br"/a\477").as_ref(), br"/a\477");
    }
}
