//! Which paths a line of the registry is about.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::escape;
use crate::error::{Error, ErrorKind, quoted};
use crate::path::PATH_MAX;

/// What keeps a path from being registered. The text says the remedy too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFlaw {
    /// No bytes at all.
    #[error("the path is empty: give an absolute path")]
    Empty,
    /// Does not begin with `/`.
    #[error("the path is relative: give an absolute path")]
    Relative,
    /// Holds a NUL byte.
    #[error("the path holds a NUL byte, which no directory can have in its name")]
    Nul,
    /// `/`, or the wildcard below it.
    #[error("the root directory cannot be registered: give the directory a filesystem is mounted on")]
    Root,
    /// A component is `.` or `..`.
    #[error("the path has a `.` or `..` component: give the path without it")]
    Dots,
    /// A `*` that is not the whole last component.
    #[error("a wildcard can only be the whole last component, as in /srv/mail/*")]
    Wildcard,
    /// More bytes than the kernel takes.
    #[error("the path is longer than the kernel's limit of 4095 bytes: give a shorter one")]
    TooLong,
}

/// An absolute, lexically clean directory path, or all direct children of one (`/mnt/*`).
///
/// `//` and trailing slashes are taken out; symlinks are not looked at. Two patterns are equal when
/// their bytes and their wildcard are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern<'a> {
    path: Cow<'a, [u8]>,
    wildcard: bool,
}

impl<'a> Pattern<'a> {
    /// The pattern an administrator typed: `/*` at the end is the wildcard.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with the path and the remedy for every [`PathFlaw`]. A `*` elsewhere is
    /// one of them; a directory really named so comes in through [`Pattern::literal`].
    pub fn parse(path: &'a Path) -> Result<Self, Error> {
        let bytes = path.as_os_str().as_bytes();
        Self::with_wildcard(bytes).map_err(|flaw| refused(path, flaw))
    }

    /// The pattern of just this directory, whatever its name: `/srv/*` is the directory called `*`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with the path and the remedy for every other [`PathFlaw`].
    pub fn literal(path: &'a Path) -> Result<Self, Error> {
        let bytes = path.as_os_str().as_bytes();
        Self::clean(Cow::Borrowed(bytes), false).map_err(|flaw| refused(path, flaw))
    }

    /// The wildcard for the children of a directory, whatever its name.
    ///
    /// # Errors
    /// As [`Pattern::literal`].
    pub fn children_of(directory: &'a Path) -> Result<Self, Error> {
        let bytes = directory.as_os_str().as_bytes();
        Self::clean(Cow::Borrowed(bytes), true).map_err(|flaw| refused(directory, flaw))
    }

    fn with_wildcard(bytes: &'a [u8]) -> Result<Self, PathFlaw> {
        let (path, wildcard) = split_wildcard(bytes);
        if path.contains(&b'*') {
            return Err(PathFlaw::Wildcard);
        }
        Self::clean(Cow::Borrowed(path), wildcard)
    }

    /// Checks and normalises; borrows when there is nothing to normalise.
    pub(super) fn clean(path: Cow<'a, [u8]>, wildcard: bool) -> Result<Self, PathFlaw> {
        match path.first() {
            None if wildcard => return Err(PathFlaw::Root),
            None => return Err(PathFlaw::Empty),
            Some(b'/') => {}
            Some(_) => return Err(PathFlaw::Relative),
        }
        if path.contains(&0) {
            return Err(PathFlaw::Nul);
        }
        let mut empty = 0;
        for component in path[1..].split(|&byte| byte == b'/') {
            match component {
                b"" => empty += 1,
                b"." | b".." => return Err(PathFlaw::Dots),
                _ => {}
            }
        }
        let path = if empty == 0 { path } else { Cow::Owned(squeeze(&path)) };
        if path.is_empty() {
            return Err(PathFlaw::Root);
        }
        if path.len() + if wildcard { 2 } else { 0 } >= PATH_MAX {
            return Err(PathFlaw::TooLong);
        }
        Ok(Pattern { path, wildcard })
    }

    /// The directory: for `/mnt/*` it is `/mnt`.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// The bytes of [`Pattern::path`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.path
    }

    /// Whether it is about what lies below [`Pattern::path`], not about the directory itself.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The same pattern with bytes of its own.
    #[must_use]
    pub fn into_owned(self) -> Pattern<'static> {
        Pattern { path: Cow::Owned(self.path.into_owned()), wildcard: self.wildcard }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        escape::encode(&self.path, out);
        if self.wildcard {
            out.extend_from_slice(b"/*");
        }
    }
}

/// As it stands in the registry: octal escapes for what could be mistaken, `/*` for the wildcard.
/// Bytes that are not UTF-8 are shown as U+FFFD.
impl fmt::Display for Pattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(self.path.len() + 2);
        self.encode(&mut text);
        f.pad(&String::from_utf8_lossy(&text))
    }
}

/// The path without a final `/*`, and whether there was one. `/srv//*` counts as well.
pub(super) fn split_wildcard(text: &[u8]) -> (&[u8], bool) {
    match text.strip_suffix(b"/*") {
        Some(path) => (path, true),
        None => (text, false),
    }
}

fn squeeze(path: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(path.len());
    for component in path.split(|&byte| byte == b'/').filter(|component| !component.is_empty()) {
        clean.push(b'/');
        clean.extend_from_slice(component);
    }
    clean
}

fn refused(path: &Path, flaw: PathFlaw) -> Error {
    Error::new(ErrorKind::Usage, format!("cannot register {}: {flaw}", quoted(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw_of(path: &[u8]) -> Option<PathFlaw> {
        Pattern::with_wildcard(path).err()
    }

    #[test]
    fn slashes_are_normalised() {
        let pattern = Pattern::parse(Path::new("//srv///mail/")).expect("a path with slashes too many");
        assert_eq!(pattern.as_bytes(), b"/srv/mail");
        let wildcard = Pattern::parse(Path::new("/srv//mail//*")).expect("the same with a wildcard");
        assert_eq!((wildcard.as_bytes(), wildcard.is_wildcard()), (&b"/srv/mail"[..], true));
    }

    #[test]
    fn each_flaw_is_told_apart() {
        assert_eq!(flaw_of(b""), Some(PathFlaw::Empty));
        assert_eq!(flaw_of(b"srv/mail"), Some(PathFlaw::Relative));
        assert_eq!(flaw_of(b"/srv\0mail"), Some(PathFlaw::Nul));
        assert_eq!(flaw_of(b"/"), Some(PathFlaw::Root));
        assert_eq!(flaw_of(b"///"), Some(PathFlaw::Root));
        assert_eq!(flaw_of(b"/*"), Some(PathFlaw::Root));
        assert_eq!(flaw_of(b"//*"), Some(PathFlaw::Root));
        assert_eq!(flaw_of(b"/srv/../mail"), Some(PathFlaw::Dots));
        assert_eq!(flaw_of(b"/srv/."), Some(PathFlaw::Dots));
        assert_eq!(flaw_of(b"/srv/*/mail"), Some(PathFlaw::Wildcard));
        assert_eq!(flaw_of(b"/srv/mail*"), Some(PathFlaw::Wildcard));
        assert_eq!(flaw_of(b"/srv/*/*"), Some(PathFlaw::Wildcard));
    }

    #[test]
    fn path_max_is_the_longest() {
        let longest = [b"/", &vec![b'a'; 4094][..]].concat();
        assert_eq!(flaw_of(&longest), None);
        assert_eq!(flaw_of(&[&longest[..], b"a"].concat()), Some(PathFlaw::TooLong));
        assert_eq!(flaw_of(&[&longest[..], b"/*"].concat()), Some(PathFlaw::TooLong));
    }

    #[test]
    fn error_names_the_path_and_the_remedy() {
        let error = Pattern::parse(Path::new("srv/mail")).expect_err("a relative path");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(
            error.to_string(),
            "cannot register \"srv/mail\": the path is relative: give an absolute path"
        );
    }

    #[test]
    fn literal_asterisk_is_shown_escaped() {
        let literal = Pattern::literal(Path::new("/srv/*")).expect("a directory named *");
        assert!(!literal.is_wildcard());
        assert_eq!(literal.to_string(), r"/srv/\052");
        let wildcard = Pattern::parse(Path::new("/srv/*")).expect("the wildcard");
        assert_eq!(wildcard.to_string(), "/srv/*");
    }
}
