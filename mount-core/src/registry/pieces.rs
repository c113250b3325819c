//! The bytes of a registry file that is to be written, most of them those of the one that was read.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use memchr::memchr;

/// How much is gathered of small pieces before it is written; larger ones are written as they are.
const BUFFER: usize = 64 << 10;

/// A file's bytes in pieces, so that what is only written again or compared is not copied.
#[derive(Debug, Default)]
pub(super) struct Pieces<'a>(Vec<Cow<'a, [u8]>>);

impl<'a> Pieces<'a> {
    pub(super) fn push(&mut self, piece: impl Into<Cow<'a, [u8]>>) {
        self.0.push(piece.into());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Hands over where each line begins, and its bytes without the newline, until `take` says no. Whether it never did.
    pub(super) fn all_lines(&self, mut take: impl FnMut(usize, &[u8]) -> bool) -> bool {
        let (mut at, mut begun) = (0, Vec::new());
        for piece in self.iter() {
            let mut rest = piece;
            while let Some(end) = memchr(b'\n', rest) {
                let line = if begun.is_empty() {
                    &rest[..end]
                } else {
                    begun.extend(&rest[..end]);
                    &begun
                };
                if !take(at, line) {
                    return false;
                }
                at += line.len() + 1;
                begun.clear();
                rest = &rest[end + 1..];
            }
            begun.extend(rest);
        }
        begun.is_empty() || take(at, &begun)
    }

    pub(super) fn len(&self) -> usize {
        self.iter().map(<[u8]>::len).sum()
    }

    pub(super) fn write_to(&self, file: impl Write) -> io::Result<()> {
        let mut buffer = BufWriter::with_capacity(BUFFER, file);
        self.0.iter().try_for_each(|piece| buffer.write_all(piece))?;
        buffer.flush()
    }

    pub(super) fn concat(&self) -> Vec<u8> {
        self.0.concat()
    }
}

impl<'a> From<&'a [u8]> for Pieces<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Pieces(vec![bytes.into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_written_as_one() {
        let mut pieces = Pieces::from(&b"one "[..]);
        pieces.push(vec![b'2'; 2 * BUFFER]);
        pieces.push(&b" three"[..]);
        let whole = pieces.concat();
        assert_eq!(pieces.len(), whole.len());
        let mut written = Vec::new();
        pieces.write_to(&mut written).expect("memory");
        assert_eq!(written, whole);
    }

    #[test]
    fn line_is_whole_wherever_pieces_end() {
        let mut pieces = Pieces::from(&b"one\nt"[..]);
        ["wo", "", "\n\n", "four"].into_iter().for_each(|piece| pieces.push(piece.as_bytes()));
        let lines_until = |last: usize| {
            let mut lines = Vec::new();
            let take = |at, line: &[u8]| {
                lines.push((at, String::from_utf8_lossy(line).into_owned()));
                at < last
            };
            (pieces.all_lines(take), lines)
        };
        let lines = [(0, "one"), (4, "two"), (8, ""), (9, "four")].map(|(at, line)| (at, line.to_owned()));
        assert_eq!(lines_until(usize::MAX), (true, lines.to_vec()));
        assert_eq!(lines_until(4), (false, lines[..2].to_vec()));
    }
}
