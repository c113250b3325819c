//! Where the lines about a path begin in a long runtime file, so that a question reads those alone.
//!
//! It lies beside that file and is made by whoever writes it. It names the version that it is of; beside any other, one
//! edited in its place too, it is not looked at, nor where it is missing: then all lines are passed over instead. So it
//! may be removed at any time, and what goes wrong with it is nobody's error.
//!
//! A table of hashes follows the head: each slot has the upper half of a hash and the offset of the line. Lines
//! whose path is not written the one way that a question writes it are listed in the head, and read each time.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::{memchr, memchr_iter, memmem};

use super::escape;
use super::file::{Stamp, create};
use super::finder::after_state;
use super::pieces::Pieces;
use crate::error::Error;
use crate::path;
use crate::root::Root;

/// With the number of this layout: while an upgrade goes on, another mountguard may have written it.
const MAGIC: &[u8; 16] = b"mountguard idx 1";
const VERSION: usize = MAGIC.len();
const COUNTS: usize = VERSION + 40;
const ODD: usize = COUNTS + 8;
/// With more of them it would be no shorter way.
const ODD_MAX: usize = 40;
const HEAD: usize = ODD + 4 * ODD_MAX;
const SLOT: usize = 8;
/// Slots after those that a hash leads to, so that no chain goes on at the beginning; the last one is empty.
const TAIL: usize = 64;

/// An index that was found to be of the file beside it.
#[derive(Debug)]
pub(super) struct Index {
    file: File,
    mask: u64,
    odd: Vec<u32>,
}

impl Index {
    /// The index at `path`, unless it is of another file than the one with this stamp.
    pub(super) fn open(root: &Root, path: &Path, stamp: Stamp) -> Option<Self> {
        let file = root.open(path).ok()?;
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0).ok()?;
        if head[..VERSION] != MAGIC[..] || head[VERSION..COUNTS] != version(stamp)? {
            return None;
        }
        let number = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
        let (slots, odd) = (number(COUNTS)?, number(COUNTS + 4)?);
        let odd = (0..odd as usize).map(|at| number(ODD + 4 * at)).collect::<Option<_>>()?;
        Some(Index { file, mask: u64::from(slots.checked_sub(1)?), odd })
    }

    /// Where lines begin that may be about a path or the directories above it, in the order of the file. `None` when
    /// that cannot be told.
    pub(super) fn around(&self, path: &[u8]) -> Option<Vec<u32>> {
        let mut lines = self.odd.clone();
        let mut key = Vec::with_capacity(path.len() + 2);
        for end in path::prefix_ends(path) {
            key.clear();
            escape::encode(&path[..end], &mut key);
            self.find(&key, &mut lines)?;
            key.extend(b"/*");
            self.find(&key, &mut lines)?;
        }
        lines.sort_unstable();
        lines.dedup();
        Some(lines)
    }

    fn find(&self, key: &[u8], lines: &mut Vec<u32>) -> Option<()> {
        let hash = hash(key);
        let mut at = HEAD as u64 + (hash & self.mask) * SLOT as u64;
        let mut slots = [0; 16 * SLOT];
        loop {
            self.file.read_exact_at(&mut slots, at).ok()?;
            for slot in slots.chunks_exact(SLOT) {
                match u64::from_le_bytes(slot.try_into().ok()?) {
                    0 => return Some(()),
                    slot if slot >> 32 == hash >> 32 => lines.push(slot as u32),
                    _ => {}
                }
            }
            at += slots.len() as u64;
        }
    }
}

/// Puts the index of a file of these bytes at `path`.
///
/// # Errors
/// Those of the system calls.
pub(super) fn write(path: &Path, stamp: Stamp, pieces: &Pieces<'_>) -> Result<(), Error> {
    let Some((head, table)) = version(stamp).and_then(|version| render(&version, pieces)) else {
        return Ok(());
    };
    let temporary = path.with_extension("tmp");
    let mut file = create(&temporary)?;
    let written = file.write_all(&head).and_then(|()| file.write_all(table.as_flattened()));
    // Where this is no memory, a power cut must not leave an index without some of its slots.
    let placed = written.and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path));
    placed.map_err(|cause| {
        let _ = fs::remove_file(&temporary);
        Error::syscall("write", path, cause)
    })
}

/// What tells a version of the runtime file from any other. Not by the time of its last change: the rename that puts it
/// in place is one.
fn version(stamp: Stamp) -> Option<Vec<u8>> {
    let Stamp::File { id, size, modified, .. } = stamp else { return None };
    let numbers = [id.0.to_le_bytes(), id.1.to_le_bytes(), size.to_le_bytes()];
    Some([numbers.as_flattened(), &modified.0.to_le_bytes(), &modified.1.to_le_bytes()].concat())
}

/// The head and the slots; `None` where it would be no shorter way.
fn render(version: &[u8], pieces: &Pieces<'_>) -> Option<(Vec<u8>, Vec<[u8; SLOT]>)> {
    let lines: usize = pieces.iter().map(|piece| memchr_iter(b'\n', piece).count()).sum();
    let slots = (lines + lines / 2).next_power_of_two();
    let mut table = vec![[0; SLOT]; slots + TAIL];
    let mut odd = Vec::new();
    let may_be_odd = pieces.iter().any(|piece| memchr(b'\\', piece).or(memmem::find(piece, b"//")).is_some());
    let placed = pieces.all_lines(|at, line| {
        let (Some(key), Ok(at)) = (key(line), u32::try_from(at)) else { return true };
        if key.ends_with(b"/") || may_be_odd && is_odd(key) {
            odd.push(at);
            return odd.len() <= ODD_MAX;
        }
        let hash = hash(key);
        let chain = &mut table[hash as usize & (slots - 1)..slots + TAIL - 1];
        let free = chain.iter_mut().find(|slot| **slot == [0; SLOT]);
        free.map(|slot| *slot = (hash >> 32 << 32 | u64::from(at)).to_le_bytes()).is_some()
    });
    let counts = [u32::try_from(slots).ok()?, u32::try_from(odd.len()).ok()?];
    let numbers = counts.into_iter().chain(odd).flat_map(u32::to_le_bytes);
    let mut head: Vec<u8> = MAGIC.iter().chain(version).copied().chain(numbers).collect();
    head.resize(HEAD, 0);
    placed.then_some((head, table))
}

/// The path in a line, as it is written there.
fn key(line: &[u8]) -> Option<&[u8]> {
    if line.starts_with(b"#") {
        return None;
    }
    let listed = after_state(line)?;
    Some(&listed[..memchr(b'\t', listed).unwrap_or(listed.len())])
}

/// Whether a path is written in another way than [`Index::around`] would write it.
fn is_odd(key: &[u8]) -> bool {
    let is_canonical = |key| {
        let mut again = Vec::new();
        let decoded = escape::decode(key)?;
        escape::encode(&decoded, &mut again);
        Some(again == key)
    };
    let path = key.strip_suffix(b"/*").unwrap_or(key);
    memmem::find(key, b"//").is_some() || path.contains(&b'\\') && is_canonical(path) != Some(true)
}

/// The same in every process. Whoever makes paths collide gets longer chains, or no index.
fn hash(key: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: &[u8]| {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        (hash.rotate_left(5) ^ u64::from_le_bytes(bytes)).wrapping_mul(FACTOR)
    };
    let words = key.chunks_exact(8);
    let rest = words.remainder();
    let product = u128::from(mix(words.fold(key.len() as u64, mix), rest)) * u128::from(FACTOR);
    // The lower half of a product knows nothing of the upper bits of its factors.
    (product >> 64) as u64 ^ product as u64
}
