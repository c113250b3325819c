//! What a line of a registry file can say, in whichever format, and what can be wrong with it or with the file.

use memchr::memchr;

use super::{Entry, Options, PathFlaw, Pattern};
use crate::state::State;

/// Why a whole file cannot be understood. Nothing is written over such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Zero bytes, where even a list without mountpoints has its first line.
    #[error("line 1: missing, the file is empty")]
    Empty,
    /// A NUL byte in this line.
    #[error("line {0}: has a NUL byte, the file is not text")]
    Binary(usize),
    /// The first line ends in the middle, so that the lines after it are lost.
    #[error("line 1: cut off, the rest of the file is lost")]
    CutOff,
    /// The first line is a remark, but not `# mountguard 1 generation=N`.
    #[error("line 1: not `# mountguard 1 generation=N`")]
    Header,
    /// The first line names another version of the format.
    #[error(
        "line 1: another version of the format than 1, the only one that this mountguard knows; upgrade it"
    )]
    Version,
    /// A TAB or an octal escape in this line, which the format without a first line does not have.
    #[error("line {0}: in the present format, but line 1 is not `# mountguard 1 generation=N`")]
    HeaderLost(usize),
    /// No first line and no mountpoint either.
    #[error("line 1: neither `# mountguard 1 generation=N` nor a mountpoint, nor is any other line")]
    NoRegistry,
}

/// Why one line cannot be read. The others count all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineFlaw {
    /// No space, hence no path.
    #[error("no path after the state")]
    NoPath,
    /// The first word is no state.
    #[error("the state does not exist")]
    State,
    /// A blank or a control character stands for itself in the path.
    #[error("a blank or control character in the path is not escaped, as in \\040")]
    Unescaped,
    /// A backslash without three octal digits after it.
    #[error("a backslash in the path without three octal digits after it")]
    Escape,
    /// The path is none that can be registered.
    #[error(transparent)]
    Path(#[from] PathFlaw),
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// A mountpoint that ought to be mounted, or whatever its state says.
    Registered(Entry<'a>),
    /// A mountpoint that was removed: discovery is not to add it again.
    Forgotten(Pattern<'a>),
    /// An empty line, or one that begins with `#`.
    Remark,
    /// A line to be reported. It is kept by every rewrite.
    Unreadable {
        /// What is wrong with it.
        flaw: LineFlaw,
        /// The path, when only the state is wrong: somebody meant it to be guarded.
        pattern: Option<Pattern<'a>>,
    },
}

/// The content of a line whose path is in order.
pub(super) fn with_state<'a>(word: &[u8], pattern: Pattern<'a>, options: Options<'a>) -> Content<'a> {
    match State::ALL.iter().find(|state| state.as_str().as_bytes() == word) {
        Some(&state) => Content::Registered(Entry { pattern, state, options }),
        None => Content::Unreadable { flaw: LineFlaw::State, pattern: Some(pattern) },
    }
}

/// Where each line from `begin` on begins, and its bytes without the newline.
pub(super) fn raw_lines(bytes: &[u8], begin: usize) -> impl Iterator<Item = (u32, &[u8])> {
    let mut next = begin;
    std::iter::from_fn(move || {
        let rest = bytes.get(next..).filter(|rest| !rest.is_empty())?;
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        // Fits: SIZE_MAX is the most that is read.
        let at = u32::try_from(next).ok()?;
        next += end + 1;
        Some((at, &rest[..end]))
    })
}

/// The line that begins there, without its newline.
pub(super) fn raw_line_at(bytes: &[u8], at: u32) -> &[u8] {
    let rest = bytes.get(at as usize..).unwrap_or_default();
    &rest[..memchr(b'\n', rest).unwrap_or(rest.len())]
}
