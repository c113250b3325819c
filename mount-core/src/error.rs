//! The one error of this crate.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Broad class of an [`Error`], stable enough to choose an exit code by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself makes no sense: unknown word, relative path, wildcard in the middle.
    Usage,
    /// The request is well formed but the data it names is not usable: not a directory, not mounted.
    Data,
    /// No such registered mountpoint.
    NotRegistered,
    /// The kernel or the disk failed.
    Io,
    /// Not allowed to.
    Permission,
    /// The registry file is there but cannot be understood.
    DamagedRegistry,
    /// Nothing wrong for good: try again later.
    Temporary,
}

/// What went wrong: an operation, usually the path it was on, and the cause as [`source`](StdError::source).
///
/// The text is lower case without a full stop, such as `statx "/srv/mail/alt"`; print the chain of
/// sources behind it for the whole story.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    text: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with a text of its own and no cause.
    #[must_use]
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, text: text.into(), source: None }))
    }

    /// A failed system call: `operation "path"`, caused by `cause`.
    ///
    /// EACCES and EPERM are [`ErrorKind::Permission`], anything else is [`ErrorKind::Io`].
    #[must_use]
    pub fn syscall(operation: &str, path: &Path, cause: impl Into<io::Error>) -> Self {
        let cause = cause.into();
        let kind = match cause.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => ErrorKind::Permission,
            _ => ErrorKind::Io,
        };
        Error(Box::new(Inner { kind, text: format!("{operation} {path:?}"), source: Some(Box::new(cause)) }))
    }

    /// The same error seen as one of another class.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// This error as the cause of a larger one.
    #[must_use]
    pub fn context(self, text: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind: self.0.kind, text: text.into(), source: Some(Box::new(self)) }))
    }

    /// The class of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The errno beneath, when a system call was the cause.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        let mut cause: Option<&(dyn StdError + 'static)> = self.source();
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return io.raw_os_error();
            }
            cause = error.source();
        }
        None
    }

    /// The text and all its causes in one line, joined by `: `.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// A path for messages: quoted, control characters and bytes that are not UTF-8 escaped.
pub(crate) fn quoted(path: &Path) -> String {
    format!("{path:?}")
}

/// Owned path from raw bytes.
pub(crate) fn path_buf(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}
