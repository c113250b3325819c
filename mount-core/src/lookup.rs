//! The covering mountpoint of a path: which registered mountpoints are the path or enclose it.
//!
//! Looked up by whole components in a hash table, so that the number of registered mountpoints doesn't matter; only
//! depths at which something is registered are looked at. The table holds nothing but where in the registry's bytes
//! each line begins.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::path;
use crate::registered::Registered;
use crate::registry::{Content, Pattern, Snapshot};

/// So many questions are answered by a pass over the lines before a table of all of them is made, which costs about
/// as much as these. A command asks one or two; making the table would cost it several times its own start.
const PASSES: u32 = 8;

/// All registered mountpoints, by path.
#[derive(Debug, Default)]
pub(crate) struct Index {
    snapshot: Option<Snapshot>,
    is_empty: bool,
    passes: Cell<u32>,
    table: OnceCell<Table>,
}

impl Index {
    /// The mountpoints that a registry file lists; `None` stands for no file. Of two lines about one path the later
    /// counts.
    pub(crate) fn new(snapshot: Option<Snapshot>) -> Self {
        let mut lines = snapshot.iter().flat_map(Snapshot::lines);
        let is_empty = !lines.any(|line| Registered::of(&line.content).is_some());
        Index { snapshot, is_empty, ..Index::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// What is registered for a path and for the directories above it; `None` where nothing is at all.
    ///
    /// The path must be clean and free of symlinks.
    pub(crate) fn around(&self, path: &[u8]) -> Option<Surroundings<'_>> {
        let snapshot = self.snapshot.as_ref().filter(|_| !self.is_empty)?;
        let table = match self.table.get() {
            Some(table) => Cow::Borrowed(table),
            None if self.passes.get() < PASSES => {
                self.passes.set(self.passes.get() + 1);
                Cow::Owned(Table::default().with(snapshot, |line| may_enclose(line, path)))
            }
            None => Cow::Borrowed(self.table.get_or_init(|| Table::of_all(snapshot))),
        };
        Some(Surroundings { snapshot, table })
    }
}

/// Whether a line can be about a path or a directory above it; in doubt it can.
///
/// The path in a line that can is the beginning of the other one. Where the two differ earlier, only an escape or a
/// slash too many may make up for it.
fn may_enclose(line: &[u8], path: &[u8]) -> bool {
    let Some(space) = line.iter().position(|byte| *byte == b' ') else {
        return false;
    };
    let listed = &line[space + 1..];
    let same = listed.iter().zip(path).take_while(|(listed, asked)| listed == asked).count();
    matches!(listed.get(same), None | Some(b'\t' | b'\\' | b'/' | b'*'))
}

/// What is registered for one path and the directories above it.
pub(crate) struct Surroundings<'a> {
    snapshot: &'a Snapshot,
    table: Cow<'a, Table>,
}

impl Surroundings<'_> {
    /// Whether anything at all is registered so many components deep.
    pub(crate) fn reach(&self, depth: usize) -> bool {
        let of_parents =
            depth.checked_sub(1).is_some_and(|depth| self.table.wildcards & depth_bit(depth) != 0);
        of_parents || self.table.exact & depth_bit(depth) != 0
    }

    /// What is registered for exactly this path, so many components deep: an explicit entry, else a wildcard's for
    /// the child that it is, whatever the states of the two.
    pub(crate) fn at(&self, depth: usize, path: &[u8]) -> Option<Registered> {
        if !self.reach(depth) {
            return None;
        }
        let find = |path, wildcard| self.table.find(self.snapshot, path, wildcard);
        let line = find(path, false).or_else(|| find(path::parent(path), true))?;
        Registered::of(&self.snapshot.content_at(line))
    }
}

/// Where in a registry's bytes the line of each path begins.
#[derive(Debug, Default, Clone)]
struct Table {
    lines: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// At which depths there are explicit paths.
    exact: u64,
    /// At which depths there are directories whose children a wildcard speaks of.
    wildcards: u64,
}

/// One bit a depth; all depths from 63 on share the last.
fn depth_bit(depth: usize) -> u64 {
    1 << depth.min(63)
}

impl Table {
    fn of_all(snapshot: &Snapshot) -> Table {
        let lines = HashTable::with_capacity(snapshot.raw_lines().count());
        Table { lines, ..Table::default() }.with(snapshot, |_| true)
    }

    fn with(mut self, snapshot: &Snapshot, wanted: impl Fn(&[u8]) -> bool) -> Table {
        for (at, line) in snapshot.raw_lines() {
            if wanted(line) {
                self.add(snapshot, at);
            }
        }
        self
    }

    fn add(&mut self, snapshot: &Snapshot, at: u32) {
        let content = snapshot.content_at(at);
        let Some(pattern) = pattern_of(&content) else {
            return;
        };
        let hash = self.hash(pattern.as_bytes(), pattern.is_wildcard());
        let same = |line: &u32| pattern_of(&snapshot.content_at(*line)) == Some(pattern);
        if matches!(content, Content::Forgotten(_)) {
            if let Ok(known) = self.lines.find_entry(hash, same) {
                known.remove();
            }
            return;
        }
        match self.lines.find_mut(hash, same) {
            Some(earlier) => *earlier = at,
            None => self.insert(snapshot, hash, at),
        }
        let depths = if pattern.is_wildcard() { &mut self.wildcards } else { &mut self.exact };
        *depths |= depth_bit(path::components(pattern.as_bytes()).count());
    }

    fn insert(&mut self, snapshot: &Snapshot, hash: u64, at: u32) {
        let hasher = self.hasher.clone();
        self.lines.insert_unique(hash, at, |line| {
            pattern_of(&snapshot.content_at(*line))
                .map_or(0, |pattern| hasher.hash_one((pattern.as_bytes(), pattern.is_wildcard())))
        });
    }

    fn find(&self, snapshot: &Snapshot, path: &[u8], wildcard: bool) -> Option<u32> {
        let same = |line: &u32| {
            pattern_of(&snapshot.content_at(*line))
                .is_some_and(|pattern| pattern.as_bytes() == path && pattern.is_wildcard() == wildcard)
        };
        self.lines.find(self.hash(path, wildcard), same).copied()
    }

    fn hash(&self, path: &[u8], wildcard: bool) -> u64 {
        self.hasher.hash_one((path, wildcard))
    }
}

/// The path that a line is about, if it is about any.
fn pattern_of<'c, 'l>(content: &'c Content<'l>) -> Option<&'c Pattern<'l>> {
    match content {
        Content::Registered(entry) => Some(&entry.pattern),
        Content::Forgotten(pattern) | Content::Unreadable { pattern: Some(pattern), .. } => Some(pattern),
        Content::Unreadable { pattern: None, .. } | Content::Remark => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Directories, Store};
    use proptest::prelude::*;

    fn snapshot(lines: &str) -> Snapshot {
        let directory = tempfile::tempdir().expect("a directory");
        let directories = Directories { state: directory.path().into(), run: directory.path().join("none") };
        std::fs::write(directories.persistent(), format!("# mountguard 1 generation=0\n{lines}"))
            .expect("write a registry");
        Store::new(directories).read_persistent().expect("a registry").expect("there is one")
    }

    /// State and mountpoint of all that a path lies at or below.
    fn hits(around: &Surroundings<'_>, path: &str) -> Vec<(crate::State, usize)> {
        let ends = path::prefix_ends(path.as_bytes()).enumerate();
        ends.filter_map(|(before, end)| Some((around.at(before + 1, &path.as_bytes()[..end])?.state, end)))
            .collect()
    }

    fn ask(index: &Index, path: &str) -> Vec<(crate::State, usize)> {
        hits(&index.around(path.as_bytes()).expect("a registry"), path)
    }

    #[test]
    fn later_line_counts_and_a_forgotten_one_counts_no_more() {
        let index = Index::new(Some(snapshot(
            "online /a\nonline /a/b\noffline /a\nonline /a/b/c\nforgotten /a/b\nonline /a/b/c/*\n",
        )));
        let expected = vec![(crate::State::Offline, 2), (crate::State::Online, 6), (crate::State::Online, 8)];
        for _ in 0..2 * PASSES {
            assert_eq!(ask(&index, "/a/b/c/d"), expected);
        }
        assert!(index.table.get().is_some(), "both ways were taken");
    }

    fn listed_path() -> impl Strategy<Value = String> {
        let component = prop_oneof![4 => "[abc]", 1 => Just("\\141".to_owned()), 1 => Just("ab".to_owned())];
        let slash = prop_oneof![6 => Just("/"), 1 => Just("//")];
        let end = prop_oneof![4 => Just(""), 1 => Just("/"), 2 => Just("/*"), 1 => Just("\tmode=rw")];
        (prop::collection::vec((slash, component), 1..4), end).prop_map(|(parts, end)| {
            parts.iter().map(|(slash, name)| format!("{slash}{name}")).collect::<String>() + end
        })
    }

    fn line() -> impl Strategy<Value = String> {
        let state = prop_oneof!["online", "offline", "ignore", "forgotten", "nonsense"];
        (state, listed_path()).prop_map(|(state, path)| format!("{state} {path}\n"))
    }

    proptest! {
        #[test]
        fn pass_over_the_lines_finds_what_the_table_finds(
            lines in prop::collection::vec(line(), 0..12),
            asked in prop::collection::vec("[abc]|ab", 1..5),
        ) {
            let snapshot = snapshot(&lines.concat());
            let asked = format!("/{}", asked.join("/"));
            let wanted = |line: &[u8]| may_enclose(line, asked.as_bytes());
            let pass = Table::default().with(&snapshot, wanted);
            let pass = Surroundings { snapshot: &snapshot, table: Cow::Owned(pass) };
            let table = Surroundings { snapshot: &snapshot, table: Cow::Owned(Table::of_all(&snapshot)) };
            prop_assert_eq!(hits(&pass, &asked), hits(&table, &asked));
        }
    }
}
