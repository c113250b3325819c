//! The text of a registry file, line by line, without copying it.

use memchr::memchr;

use super::escape::{self, is_separator};
use super::pattern::split_wildcard;
use super::{Entry, Options, PathFlaw, Pattern, legacy};
use crate::State;

/// First word of a line about a mountpoint that was removed and is not to be discovered again.
const FORGOTTEN: &[u8] = b"forgotten";
const VERSION: &str = "1";
const MAGIC: &[u8] = b"# mountguard ";

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

/// What the beginning of a file says of the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Header {
    /// Counts the writes. 0 for Dovecot's own format, which has none.
    pub generation: u64,
    /// Whether it is Dovecot 2.1-2.2's format, which the next write upgrades.
    pub is_legacy: bool,
    /// Where fields that are not known begin in the first line.
    pub(super) extra: usize,
    /// Where the second line begins.
    pub(super) body: usize,
}

impl Header {
    /// # Errors
    /// [`Damage`] when nothing can be said of any line.
    pub fn read(bytes: &[u8]) -> Result<Self, Damage> {
        if bytes.is_empty() {
            return Err(Damage::Empty);
        }
        if let Some(nul) = memchr(0, bytes) {
            return Err(Damage::Binary(1 + bytes[..nul].iter().filter(|&&byte| byte == b'\n').count()));
        }
        if bytes[0] != b'#' {
            legacy::check(bytes)?;
            return Ok(Header { generation: 0, is_legacy: true, extra: 0, body: 0 });
        }
        // A list that was cut off here could have had any number of mountpoints.
        let end = bytes.iter().position(|&byte| byte == b'\n').ok_or(Damage::CutOff)?;
        let fields = bytes[..end].strip_prefix(MAGIC).ok_or(Damage::Header)?;
        let fields = std::str::from_utf8(fields).map_err(|_| Damage::Header)?;
        let (version, fields) = fields.split_once(' ').unwrap_or((fields, ""));
        if version != VERSION {
            return Err(if version.parse::<u64>().is_ok() { Damage::Version } else { Damage::Header });
        }
        let (generation, extra) = fields.split_once(' ').unwrap_or((fields, ""));
        let generation = generation.strip_prefix("generation=").and_then(|number| number.parse().ok());
        let generation = generation.ok_or(Damage::Header)?;
        Ok(Header { generation, is_legacy: false, extra: end - extra.len(), body: end + 1 })
    }

    /// What a line of the file says, its newline left out.
    pub(super) fn content(self, raw: &[u8]) -> Content<'_> {
        if self.is_legacy { legacy::content(raw) } else { content(raw) }
    }

    /// The first line, with its newline.
    pub(super) fn line(generation: u64, extra: &[u8]) -> Vec<u8> {
        let mut line =
            [MAGIC, VERSION.as_bytes(), b" generation=", generation.to_string().as_bytes()].concat();
        if !extra.is_empty() {
            line.push(b' ');
            line.extend_from_slice(extra);
        }
        line.push(b'\n');
        line
    }
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// Counted from 1, as editors do.
    pub number: usize,
    /// All its bytes but the newline.
    pub raw: &'a [u8],
    /// `false` for a last line without a newline: it may have been cut off.
    pub terminated: bool,
    /// What it says.
    pub content: Content<'a>,
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

/// The lines of a registry file after its header.
///
/// Allocates only for paths with an escape or with slashes too many.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
    header: Header,
}

impl<'a> Lines<'a> {
    /// # Errors
    /// [`Damage`] when the file as a whole cannot be understood.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Damage> {
        Ok(Self::after(Header::read(bytes)?, bytes))
    }

    /// The lines of `bytes`, whose header has been read.
    pub(super) fn after(header: Header, bytes: &'a [u8]) -> Self {
        let number = if header.is_legacy { 0 } else { 1 };
        Lines { rest: &bytes[header.body..], number, header }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.rest);
        let (raw, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        self.number += 1;
        Some(Line { number: self.number, raw, terminated: end.is_some(), content: self.header.content(raw) })
    }
}

/// What a line of the present format says, its newline left out.
pub(super) fn content(raw: &[u8]) -> Content<'_> {
    if raw.is_empty() || raw[0] == b'#' {
        return Content::Remark;
    }
    let Some((state, rest)) = split_once(raw, b' ') else {
        return Content::Unreadable { flaw: LineFlaw::NoPath, pattern: None };
    };
    let (path, options) = split_once(rest, b'\t').unwrap_or((rest, &[]));
    match pattern(path) {
        Err(flaw) => Content::Unreadable { flaw, pattern: None },
        Ok(pattern) if state == FORGOTTEN => Content::Forgotten(pattern),
        Ok(pattern) => with_state(state, pattern, Options::from_text(options)),
    }
}

/// The content of a line whose path is in order.
pub(super) fn with_state<'a>(word: &[u8], pattern: Pattern<'a>, options: Options<'a>) -> Content<'a> {
    match State::ALL.iter().find(|state| state.as_str().as_bytes() == word) {
        Some(&state) => Content::Registered(Entry { pattern, state, options }),
        None => Content::Unreadable { flaw: LineFlaw::State, pattern: Some(pattern) },
    }
}

fn pattern(text: &[u8]) -> Result<Pattern<'_>, LineFlaw> {
    if text.iter().any(|&byte| is_separator(byte)) {
        return Err(LineFlaw::Unescaped);
    }
    let (path, wildcard) = split_wildcard(text);
    if path.contains(&b'*') {
        return Err(PathFlaw::Wildcard.into());
    }
    let path = escape::decode(path).ok_or(LineFlaw::Escape)?;
    Ok(Pattern::clean(path, wildcard)?)
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

/// The line that keeps `pattern` from being discovered again, without its newline.
pub(super) fn forgotten_line(pattern: &Pattern<'_>) -> Vec<u8> {
    let mut line = [FORGOTTEN, b" "].concat();
    pattern.encode(&mut line);
    line
}

pub(super) fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}
