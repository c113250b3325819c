//! The lines of a list: the bytes that were read, and the few lines that differ from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use memchr::{memchr, memmem, memrchr};

use super::content::{Content, raw_line_at, raw_lines};
use super::format::content;
use super::pieces::Pieces;
use super::{Listing, Pattern};

/// Lines in the present format, each known by where it begins.
///
/// What was read is neither copied nor parsed: of ten thousand lines a change concerns one.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    read: Arc<Vec<u8>>,
    /// Where the lines begin in it.
    body: usize,
    /// What stands in the place of a line, if anything. New lines have the numbers that follow on what was read.
    changed: BTreeMap<u32, Option<Vec<u8>>>,
}

impl Text {
    /// The lines that begin in `read` at `body`; the last one ends with a newline as well.
    pub(super) fn new(read: Arc<Vec<u8>>, body: usize) -> Self {
        Text { read, body, changed: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines().next().is_none()
    }

    /// What a line says; nothing where it was taken out.
    pub(super) fn content_at(&self, at: u32) -> Content<'_> {
        match self.changed.get(&at) {
            Some(line) => line.as_deref().map_or(Content::Remark, content),
            None => content(raw_line_at(&self.read, at)),
        }
    }

    /// The lines that have these bytes somewhere, found without a look at the others.
    pub(super) fn lines_with(&self, bytes: &[u8]) -> Vec<u32> {
        let body = &self.read[self.body..];
        let begin = |hit| memrchr(b'\n', &body[..hit]).map_or(0, |newline| newline + 1);
        let read = memmem::find_iter(body, bytes)
            .filter_map(|hit| u32::try_from(self.body + begin(hit)).ok())
            .filter(|at| !self.changed.contains_key(at));
        let has_them = |line: &[u8]| memmem::find(line, bytes).is_some();
        let changed = self.changed.iter().filter(|(_, line)| line.as_deref().is_some_and(has_them));
        let mut lines: Vec<u32> = read.chain(changed.map(|(at, _)| *at)).collect();
        lines.dedup();
        lines
    }

    /// Puts a line in the place of another.
    pub(super) fn replace(&mut self, at: u32, line: Vec<u8>) {
        self.changed.insert(at, Some(line));
    }

    pub(super) fn remove(&mut self, at: u32) {
        self.changed.insert(at, None);
    }

    /// Adds a line at the end.
    pub(super) fn push(&mut self, line: Vec<u8>) -> u32 {
        let after = self.changed.keys().next_back().map_or(0, |last| last + 1);
        let at = self.end().max(after);
        self.changed.insert(at, Some(line));
        at
    }

    /// Adds all bytes to `pieces`, in as few as what was read and what was changed allow.
    pub(super) fn render<'a>(&'a self, pieces: &mut Pieces<'a>) {
        let mut next = self.body;
        for (at, line) in &self.changed {
            let at = (*at as usize).min(self.read.len());
            pieces.push(&self.read[next..at]);
            next = memchr(b'\n', &self.read[at..]).map_or(self.read.len(), |end| at + end + 1);
            if let Some(line) = line {
                pieces.push(&line[..]);
                pieces.push(&b"\n"[..]);
            }
        }
        pieces.push(&self.read[next..]);
    }

    fn end(&self) -> u32 {
        // Fits: SIZE_MAX is the most that is read.
        u32::try_from(self.read.len()).unwrap_or(u32::MAX)
    }
}

impl Listing for Text {
    fn lines(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let unchanged = self.changed.is_empty();
        let now = move |(at, line)| match self.changed.get(&at).filter(|_| !unchanged) {
            Some(changed) => changed.as_deref().map(|line| (at, line)),
            None => Some((at, line)),
        };
        let new = self.changed.range(self.end()..);
        let new = new.filter_map(|(at, line)| Some((*at, line.as_deref()?)));
        raw_lines(&self.read, self.body).filter_map(now).chain(new)
    }

    fn pattern_at(&self, at: u32) -> Option<Pattern<'_>> {
        match self.content_at(at) {
            Content::Registered(entry) => Some(entry.pattern),
            Content::Forgotten(pattern) => Some(pattern),
            Content::Remark | Content::Unreadable { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &str) -> Text {
        Text::new(Arc::new(format!("head\n{lines}").into_bytes()), 5)
    }

    fn bytes(text: &Text) -> String {
        let mut pieces = Pieces::default();
        text.render(&mut pieces);
        String::from_utf8(pieces.concat()).expect("ASCII")
    }

    #[test]
    fn pieces_are_what_was_read_but_for_the_changed_lines() {
        let mut text = text("a\nbb\nccc\n");
        let begins: Vec<u32> = text.lines().map(|(at, _)| at).collect();
        assert_eq!((bytes(&text).as_str(), &begins[..]), ("a\nbb\nccc\n", &[5, 7, 10][..]));
        text.replace(7, b"B".to_vec());
        let new = text.push(b"d".to_vec());
        text.push(b"e".to_vec());
        text.remove(5);
        assert_eq!(bytes(&text), "B\nccc\nd\ne\n");
        text.replace(new, b"D".to_vec());
        text.remove(10);
        assert_eq!(bytes(&text), "B\nD\ne\n");
        let lines: Vec<&[u8]> = text.lines().map(|(_, line)| line).collect();
        assert_eq!(lines, [b"B", b"D", b"e"]);
    }

    #[test]
    fn lines_are_found_by_bytes_in_them_as_they_are_now() {
        let mut text = text("online /a\tx\tx\nonline /b\nonline /c\tx\n");
        assert_eq!(text.lines_with(b"\tx"), [5, 29]);
        text.replace(19, b"online /b\tx".to_vec());
        text.remove(29);
        assert_eq!(text.lines_with(b"\tx"), [5, 19]);
    }
}
