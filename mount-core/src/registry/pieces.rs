//! The bytes of a registry file that is to be written, most of them those of the one that was read.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

/// How much is gathered of small pieces before it is written; larger ones are written as they are.
const BUFFER: usize = 64 << 10;

/// A file's bytes in pieces, so that what is only written again or compared is not copied.
#[derive(Debug, Default)]
pub(super) struct Pieces<'a>(Vec<Cow<'a, [u8]>>);

impl<'a> Pieces<'a> {
    pub(super) fn push(&mut self, piece: impl Into<Cow<'a, [u8]>>) {
        self.0.push(piece.into());
    }

    /// Whether they are these bytes.
    pub(super) fn are(&self, bytes: &[u8]) -> bool {
        let rest = self.0.iter().try_fold(bytes, |rest, piece| rest.strip_prefix(piece.as_ref()));
        rest.is_some_and(<[u8]>::is_empty)
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
    fn pieces_are_compared_and_written_as_one() {
        let mut pieces = Pieces::from(&b"one "[..]);
        pieces.push(vec![b'2'; 2 * BUFFER]);
        pieces.push(&b" three"[..]);
        let whole = pieces.concat();
        assert!(pieces.are(&whole));
        assert!(!pieces.are(&whole[1..]) && !pieces.are(&whole[..whole.len() - 1]));
        assert!(!pieces.are(&[&whole[..], b"."].concat()) && !pieces.are(b""));
        let mut written = Vec::new();
        pieces.write_to(&mut written).expect("memory");
        assert_eq!(written, whole);
    }
}
