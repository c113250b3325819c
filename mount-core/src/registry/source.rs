//! A registry file as it lies on disk, read only as far as a question needs it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::{memchr, memrchr};

use super::content::{Content, raw_line_at, raw_lines};
use super::file::{SIZE_MAX, Snapshot, Stamp, absent};
use super::finder::enclosing;
use super::format::{Header, Lines};
use super::index::Index;
use super::pieces::Pieces;
use crate::error::{Error, ErrorKind, quoted};
use crate::root::Root;

/// How much is read at once when it is opened: a page that the kernel has to find and clear.
const HEAD: usize = 4 << 10;

/// How much is read at a time of what is longer. A list of ten thousand mountpoints is 28 times this: to have all of it in
/// memory would cost a command that asks once a third of its own start, in such pages.
const CHUNK: usize = 16 << 10;

const TOO_LARGE: &str = "larger than 64 MiB, which no list of mountpoints is";

/// An open registry file, which goes on being the version that was opened: writers replace it by another.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    remedy: &'static str,
    file: File,
    /// In bytes, when it was opened.
    size: usize,
    stamp: Stamp,
    header: Header,
    /// What it begins with: all of it, unless it is longer than [`HEAD`].
    head: Vec<u8>,
    is_whole: bool,
    index: Option<Index>,
}

impl Source {
    /// `None` when there is no such file. A symbolic link is followed; one that leads nowhere is an
    /// error, since a registry was meant to be there.
    ///
    /// # Errors
    /// [`ErrorKind::DamagedRegistry`] with file, line and `remedy` when it is not a registry: not a
    /// regular file, too large, not text as far as it was read. [`ErrorKind::Permission`] and [`ErrorKind::Io`] when
    /// it cannot be read.
    pub(super) fn open(root: &Root, path: &Path, remedy: &'static str) -> Result<Option<Self>, Error> {
        let file = match root.open(path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return absent(root, path).map(|()| None);
            }
            Err(cause) => return Err(Error::syscall("open", path, cause)),
        };
        let metadata = file.metadata().map_err(|cause| Error::syscall("statx", path, cause))?;
        let damaged = |what: &str| Err(damaged(path, what, remedy));
        if !metadata.is_file() {
            return damaged("not a regular file");
        }
        if metadata.len() > SIZE_MAX {
            return damaged(TOO_LARGE);
        }
        let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        let mut source = Source {
            path: path.to_path_buf(),
            remedy,
            file,
            size,
            stamp: Stamp::from_metadata(&metadata),
            header: Header::default(),
            head: Vec::new(),
            is_whole: false,
            index: None,
        };
        let count = HEAD.min(size + 1);
        let mut head = vec![0; count];
        let filled = source.fill(0, &mut head)?;
        head.truncate(filled);
        source.is_whole = head.len() < count;
        source.head = head;
        // The old format can be told from damage by all of its lines only.
        if !source.is_whole && source.head[0] != b'#' {
            source.head = source.read_all()?;
            source.is_whole = true;
        }
        source.header = source.header_of(&source.head)?;
        Ok(Some(source))
    }

    /// The same, with the index at `path` where that is of use and of this version.
    pub(super) fn with_index(self, root: &Root, path: &Path) -> Self {
        let index = if self.is_whole { None } else { Index::open(root, path, self.stamp) };
        Source { index, ..self }
    }

    /// Whether so many bytes are worth an index.
    pub(super) fn is_long(size: usize) -> bool {
        size >= HEAD
    }

    #[cfg(test)]
    pub(crate) fn has_index(&self) -> bool {
        self.index.is_some()
    }

    /// What [`Snapshot::stamp`] is.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`Source::open`], for what was not read then.
    pub(crate) fn whole(&self) -> Result<Snapshot, Error> {
        let bytes = if self.is_whole { self.head.clone() } else { self.read_all()? };
        let header = self.header_of(&bytes)?;
        Ok(self.snapshot(bytes, header))
    }

    /// Whether there is a line that says something of a kind, as far as it takes to find one.
    ///
    /// # Errors
    /// As [`Source::whole`].
    pub(crate) fn has(&self, wanted: impl Fn(&Content<'_>) -> bool) -> Result<bool, Error> {
        let complete = memrchr(b'\n', &self.head).map_or(0, |newline| newline + 1);
        if Lines::after(self.header, &self.head[..complete]).any(|line| wanted(&line.content)) {
            return Ok(true);
        }
        Ok(self.whole()?.lines().any(|line| wanted(&line.content)))
    }

    /// Whether it is these bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub(super) fn holds(&self, pieces: &Pieces<'_>) -> Result<bool, Error> {
        if self.size != pieces.len() {
            return Ok(false);
        }
        let mut buffer = vec![0; CHUNK];
        let mut at = 0;
        for part in pieces.iter().flat_map(|piece| piece.chunks(CHUNK)) {
            let read = &mut buffer[..part.len()];
            if self.fill(at, read)? < part.len() || read != part {
                return Ok(false);
            }
            at += part.len() as u64;
        }
        Ok(self.fill(at, &mut buffer)? == 0)
    }

    /// The lines that may be about a path or the directories above it. The path must be clean.
    ///
    /// # Errors
    /// As [`Source::whole`], for the lines that were read.
    pub(crate) fn around(&self, path: &[u8]) -> Result<Snapshot, Error> {
        if let Some(found) = self.indexed(path)? {
            return Ok(found);
        }
        match self.wanted(path, |take| self.pass(take))? {
            Some(found) => Ok(found),
            None => self.whole(),
        }
    }

    /// The same by the index; `None` where there is none, or it leads astray.
    fn indexed(&self, path: &[u8]) -> Result<Option<Snapshot>, Error> {
        let Some(lines) = self.index.as_ref().and_then(|index| index.around(path)) else {
            return Ok(None);
        };
        let found = self.wanted(path, |take| self.visit(&lines, take))?;
        // Of a file that was written to since, these may be the middle of other lines.
        Ok(found.filter(|_| self.is_as_opened()))
    }

    /// Those lines of the ones `read` hands over that may be about a path; `None` when it gave up.
    fn wanted(
        &self,
        path: &[u8],
        read: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<bool, Error>,
    ) -> Result<Option<Snapshot>, Error> {
        let mut kept = self.head[..self.header.body].to_vec();
        let is_wanted = enclosing(path);
        let is_complete = read(&mut |lines| {
            for (_, line) in raw_lines(lines, 0).filter(|(_, line)| is_wanted(line)) {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
        })?;
        Ok(is_complete.then(|| self.snapshot(kept, self.header)))
    }

    /// Whether nobody has written to the file since; that it may have been replaced is all the same.
    fn is_as_opened(&self) -> bool {
        let now = self.file.metadata().map(|metadata| Stamp::from_metadata(&metadata));
        now.is_ok_and(|now| now.is_of_the_same_bytes(self.stamp))
    }

    /// Hands over the lines that begin there. False when one of them is damaged.
    fn visit(&self, lines: &[u32], mut take: impl FnMut(&[u8])) -> Result<bool, Error> {
        let mut buffer = vec![0; 512];
        for at in lines {
            let line = loop {
                let filled = self.fill(u64::from(*at), &mut buffer)?;
                let line = raw_line_at(&buffer[..filled], 0);
                if line.len() < buffer.len() {
                    break line;
                }
                buffer.resize(4 * buffer.len(), 0);
            };
            if memchr(0, line).is_some() {
                return Ok(false);
            }
            take(line);
        }
        Ok(true)
    }

    /// Hands over all lines, some at a time. False when it gave up: because of a line longer than is read at a time, or
    /// of damage, which is to be told by its line.
    fn pass(&self, mut take: impl FnMut(&[u8])) -> Result<bool, Error> {
        let begun = take_complete(&self.head[self.header.body..], &mut take);
        if self.is_whole {
            take(begun);
            return Ok(true);
        }
        let mut buffer = vec![0; 2 * CHUNK];
        let (mut at, mut had) = (self.head.len() as u64, begun.len());
        buffer[..had].copy_from_slice(begun);
        loop {
            let new = self.fill(at, &mut buffer[had..had + CHUNK])?;
            let lines = &buffer[..had + new];
            if memchr(0, &lines[had..]).is_some() {
                return Ok(false);
            }
            let begun = take_complete(lines, &mut take);
            if new < CHUNK {
                take(begun);
                return Ok(true);
            }
            if begun.len() > CHUNK {
                return Ok(false);
            }
            had = begun.len();
            at += new as u64;
            let end = lines.len();
            buffer.copy_within(end - had..end, 0);
        }
    }

    fn read_all(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut had = 0;
        loop {
            // One byte more than there should be, so that the end is seen at once.
            bytes.resize((self.size + 1).max(had + CHUNK), 0);
            had += self.fill(had as u64, &mut bytes[had..])?;
            if had as u64 > SIZE_MAX {
                return Err(damaged(&self.path, TOO_LARGE, self.remedy));
            }
            if had < bytes.len() {
                bytes.truncate(had);
                return Ok(bytes);
            }
        }
    }

    /// Reads what lies there in the file; returns how much that is, less than there is room only at the end.
    fn fill(&self, at: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(Error::syscall("read", &self.path, cause)),
            }
        }
        Ok(filled)
    }

    fn header_of(&self, bytes: &[u8]) -> Result<Header, Error> {
        Header::read(bytes).map_err(|damage| damaged(&self.path, &damage.to_string(), self.remedy))
    }

    fn snapshot(&self, bytes: Vec<u8>, header: Header) -> Snapshot {
        Snapshot { path: self.path.clone(), bytes: Arc::new(bytes), stamp: self.stamp, header }
    }
}

/// Hands over all lines but the last, which may have been cut off, and returns that one.
fn take_complete<'a>(lines: &'a [u8], take: &mut impl FnMut(&[u8])) -> &'a [u8] {
    let (complete, begun) = lines.split_at(memrchr(b'\n', lines).map_or(0, |newline| newline + 1));
    take(complete);
    begun
}

fn damaged(path: &Path, what: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::DamagedRegistry, format!("registry {}: {what}; {remedy}", quoted(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bytes: &[u8]) -> Result<Source, Error> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("mounts");
        std::fs::write(&path, bytes).expect("write a registry");
        Source::open(&Root::Own, &path, "mend it").map(|source| source.expect("it is there"))
    }

    fn long(length: usize) -> Vec<u8> {
        let mut bytes = b"# mountguard 1 generation=1\n".to_vec();
        for number in 0.. {
            if bytes.len() >= length {
                return bytes;
            }
            bytes.extend(format!("online /srv/{number}\n").into_bytes());
        }
        bytes
    }

    fn lines_around(source: &Source, path: &str) -> Vec<String> {
        let snapshot = source.around(path.as_bytes()).expect("a registry");
        snapshot.lines().map(|line| String::from_utf8_lossy(line.raw).into_owned()).collect()
    }

    #[test]
    fn lines_around_a_path_are_found_wherever_chunks_end() {
        for length in [HEAD, HEAD + CHUNK, CHUNK + 1, HEAD + 2 * CHUNK, 3 * CHUNK] {
            for excess in 0..40 {
                let mut bytes = long(length - 100);
                bytes.resize(length - 20 + excess, b'#');
                bytes.extend(b"\noffline /srv/*\nignore /srv/7x\noffline /srv/7");
                let source = source(&bytes).expect("a registry");
                assert_eq!(
                    lines_around(&source, "/srv/7/new"),
                    ["online /srv/7", "offline /srv/*", "offline /srv/7"]
                );
                assert_eq!(source.whole().expect("a registry").bytes(), bytes);
            }
        }
    }

    #[test]
    fn file_holds_its_own_bytes_and_no_others() {
        for length in [10, HEAD - 1, HEAD, CHUNK, CHUNK + HEAD, 3 * CHUNK] {
            let bytes = long(length);
            let source = source(&bytes).expect("a registry");
            let holds = |bytes: &[u8]| source.holds(&bytes.into()).expect("readable");
            assert!(holds(&bytes));
            assert!(!holds(&bytes[..bytes.len() - 1]) && !holds(&[&bytes[..], b"\n"].concat()));
            let mut other = bytes;
            *other.last_mut().expect("a newline") = b'!';
            assert!(!holds(&other));
        }
    }

    #[test]
    fn line_longer_than_a_chunk_is_no_obstacle() {
        let bytes = [&long(CHUNK)[..], b"online /a\tx=", &vec![b'x'; 3 * CHUNK], b"\nonline /b\n"].concat();
        let source = source(&bytes).expect("a registry");
        assert!(lines_around(&source, "/b").contains(&"online /b".to_owned()));
    }

    #[test]
    fn damage_beyond_what_was_read_at_first_is_told_by_its_line_when_it_is_met() {
        let mut bytes = long(2 * CHUNK);
        let line = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
        bytes.extend(b"online /a\0b\n");
        let error = source(&bytes).expect("sound so far").around(b"/a").expect_err("damaged");
        assert_eq!(error.kind(), ErrorKind::DamagedRegistry);
        assert!(error.to_string().contains(&format!("line {line}: has a NUL byte")), "{error}");
    }

    #[test]
    fn old_format_is_read_whole_however_long_since_its_last_line_can_tell_it_from_damage() {
        let mut bytes = long(2 * CHUNK)[28..].to_vec();
        assert_eq!(lines_around(&source(&bytes).expect("the old format"), "/srv/9"), ["online /srv/9"]);
        bytes.extend(b"online /a\tmode=rw\n");
        assert_eq!(source(&bytes).expect_err("has lost its header").kind(), ErrorKind::DamagedRegistry);
    }
}
