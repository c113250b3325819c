//! Which line counts for a path, found without copying any line.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use memchr::memchr;

use super::Pattern;
use crate::path;

/// So many questions are answered by a pass over the lines before a table of all of them is made, which costs about
/// as much as these. A command asks one or two; making the table would cost it several times its own start.
pub(crate) const PASSES: u32 = 8;

/// Lines that are each about one path.
pub(crate) trait Listing {
    /// Where each line begins, and its bytes.
    fn lines(&self) -> impl Iterator<Item = (u32, &[u8])>;

    /// The path that the line which begins there is about, if it is about any.
    fn pattern_at(&self, at: u32) -> Option<Pattern<'_>>;
}

/// Finds lines of a [`Listing`] that only ever gets more of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finder {
    passes: Cell<u32>,
    table: OnceCell<Table>,
}

impl Finder {
    /// The lines about a path and the directories above it, and perhaps others.
    ///
    /// The path must be clean.
    pub(crate) fn around(&self, listing: &impl Listing, path: &[u8]) -> Cow<'_, Table> {
        if self.table.get().is_none() && self.passes.get() < PASSES {
            self.passes.set(self.passes.get() + 1);
            return Cow::Owned(Table::default().with(listing, enclosing(path)));
        }
        Cow::Borrowed(self.all(listing))
    }

    /// All lines that are about a path.
    pub(crate) fn all(&self, listing: &impl Listing) -> &Table {
        self.table.get_or_init(|| Table::of_all(listing))
    }

    /// Takes note of a line that the listing has more.
    pub(crate) fn add(&mut self, listing: &impl Listing, at: u32) {
        if let Some(table) = self.table.get_mut() {
            table.add(listing, at);
        }
    }
}

/// Tells of lines whether they can be about a path or a directory above it; in doubt they can.
///
/// The path in a line that can is the beginning of the other one. Where the two differ earlier, only an escape or a
/// slash too many may make up for it. A backslash of the path itself is an escape in the line, so that nothing is compared
/// from there on.
pub(super) fn enclosing(path: &[u8]) -> impl Fn(&[u8]) -> bool {
    let comparable = &path[..memchr(b'\\', path).unwrap_or(path.len())];
    move |line| {
        let Some(listed) = after_state(line) else { return false };
        matches!(listed.get(common(listed, comparable)), None | Some(b'\t' | b'\\' | b'/' | b'*'))
    }
}

/// What follows the state.
pub(super) fn after_state(line: &[u8]) -> Option<&[u8]> {
    // By far the most lines; and no memchr for the others: the state is shorter than what that takes to begin.
    line.strip_prefix(b"online ").or_else(|| {
        let space = line.iter().position(|byte| *byte == b' ')?;
        Some(&line[space + 1..])
    })
}

/// How many bytes the two have in common at their beginnings. Eight at a time: paths of one registry differ late.
fn common(one: &[u8], other: &[u8]) -> usize {
    let mut whole = 0;
    while let (Some(word), Some(of_other)) = (one[whole..].first_chunk(), other[whole..].first_chunk()) {
        let difference = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*of_other);
        if difference != 0 {
            return whole + difference.trailing_zeros() as usize / 8;
        }
        whole += 8;
    }
    whole + one[whole..].iter().zip(&other[whole..]).take_while(|(one, other)| one == other).count()
}

/// Where the line that counts for each path begins: of two about one path the later.
#[derive(Debug, Default, Clone)]
pub(crate) struct Table {
    lines: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Where lines begin that a later one has made void.
    void: BTreeSet<u32>,
    /// At which depths there are explicit paths.
    exact: u64,
    /// At which depths there are children of directories that a wildcard speaks of.
    children: u64,
}

/// One bit a depth; all depths from 63 on share the last.
fn depth_bit(depth: usize) -> u64 {
    1 << depth.min(63)
}

impl Table {
    pub(crate) fn of_all(listing: &impl Listing) -> Table {
        let lines = HashTable::with_capacity(listing.lines().count());
        Table { lines, ..Table::default() }.with(listing, |_| true)
    }

    fn with(mut self, listing: &impl Listing, wanted: impl Fn(&[u8]) -> bool) -> Table {
        listing.lines().filter(|(_, line)| wanted(line)).for_each(|(at, _)| self.add(listing, at));
        self
    }

    fn add(&mut self, listing: &impl Listing, at: u32) {
        let Some(pattern) = listing.pattern_at(at) else {
            return;
        };
        let hash = self.hash(pattern.as_bytes(), pattern.is_wildcard());
        let same = |line: &u32| listing.pattern_at(*line).as_ref() == Some(&pattern);
        match self.lines.find_mut(hash, same) {
            Some(line) => drop(self.void.insert(std::mem::replace(line, at))),
            None => self.insert(listing, hash, at),
        }
        let depth = path::components(pattern.as_bytes()).count();
        match pattern.is_wildcard() {
            false => self.exact |= depth_bit(depth),
            true => self.children |= depth_bit(depth + 1),
        }
    }

    fn insert(&mut self, listing: &impl Listing, hash: u64, at: u32) {
        let hasher = &self.hasher;
        self.lines.insert_unique(hash, at, |line| {
            listing
                .pattern_at(*line)
                .map_or(0, |pattern| hasher.hash_one((pattern.as_bytes(), pattern.is_wildcard())))
        });
    }

    /// Where the line begins that counts for a path, or for a wildcard's directory.
    pub(crate) fn find(&self, listing: &impl Listing, path: &[u8], wildcard: bool) -> Option<u32> {
        let same = |line: &u32| {
            listing
                .pattern_at(*line)
                .is_some_and(|pattern| pattern.as_bytes() == path && pattern.is_wildcard() == wildcard)
        };
        self.lines.find(self.hash(path, wildcard), same).copied()
    }

    /// Where lines begin that count no more, since a later one is about the same path.
    pub(crate) fn void(&self) -> &BTreeSet<u32> {
        &self.void
    }

    /// Whether any line may be about a path so many components deep.
    pub(crate) fn reach(&self, depth: usize) -> bool {
        self.lists(depth) || self.lists_children(depth)
    }

    /// Whether any line may be about just this one path.
    pub(crate) fn lists(&self, depth: usize) -> bool {
        self.exact & depth_bit(depth) != 0
    }

    /// Whether any line may be about all that lies in the same directory.
    pub(crate) fn lists_children(&self, depth: usize) -> bool {
        self.children & depth_bit(depth) != 0
    }

    fn hash(&self, path: &[u8], wildcard: bool) -> u64 {
        self.hasher.hash_one((path, wildcard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_beginning_is_counted_across_words_and_to_either_end() {
        let long = b"/srv/tenants/domain-1.example/mail";
        for end in 0..=long.len() {
            assert_eq!((common(long, &long[..end]), common(&long[..end], long)), (end, end));
            let mut other = long.to_vec();
            other.extend(b"/more");
            other[end] = b'!';
            assert_eq!(common(&other, long), end);
        }
    }
}
