//! The text of a registry file, line by line, without copying it.

use memchr::memchr;

use super::content::{Content, Damage, LineFlaw, with_state};
use super::escape::{self, is_separator};
use super::pattern::split_wildcard;
use super::{Options, PathFlaw, Pattern, legacy};
use crate::bytes::split_once;

/// First word of a line about a mountpoint that was removed and is not to be discovered again.
const FORGOTTEN: &[u8] = b"forgotten";
const VERSION: &str = "1";
const MAGIC: &[u8] = b"# mountguard ";

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

/// The line that keeps `pattern` from being discovered again, without its newline.
pub(super) fn forgotten_line(pattern: &Pattern<'_>) -> Vec<u8> {
    let mut line = [FORGOTTEN, b" "].concat();
    pattern.encode(&mut line);
    line
}
