//! The covering mountpoint of a path: which registered mountpoints are the path or enclose it.
//!
//! Looked up by whole components, so that the number of registered mountpoints doesn't matter; only depths at which
//! something is registered are looked at.

use std::borrow::Cow;

use crate::path;
use crate::registered::Registered;
use crate::registry::{Finder, Snapshot, Table};

/// All registered mountpoints, by path.
#[derive(Debug, Default)]
pub(crate) struct Index {
    snapshot: Option<Snapshot>,
    is_empty: bool,
    finder: Finder,
}

impl Index {
    /// The mountpoints that a registry file lists; `None` stands for no file. Of two lines about one path the later
    /// counts.
    pub(crate) fn new(snapshot: Option<Snapshot>) -> Self {
        let mut lines = snapshot.iter().flat_map(Snapshot::lines);
        let is_empty = !lines.any(|line| Registered::of(&line.content).is_some());
        Index { snapshot, is_empty, finder: Finder::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// What is registered for a path and for the directories above it; `None` where nothing is at all.
    ///
    /// The path must be clean and free of symlinks.
    pub(crate) fn around(&self, path: &[u8]) -> Option<Surroundings<'_>> {
        let snapshot = self.snapshot.as_ref().filter(|_| !self.is_empty)?;
        Some(Surroundings { snapshot, table: self.finder.around(snapshot, path) })
    }
}

/// What is registered for one path and the directories above it.
pub(crate) struct Surroundings<'a> {
    snapshot: &'a Snapshot,
    table: Cow<'a, Table>,
}

impl Surroundings<'_> {
    /// Whether anything at all is registered so many components deep.
    pub(crate) fn reach(&self, depth: usize) -> bool {
        self.table.reach(depth)
    }

    /// What is registered for exactly this path, so many components deep: an explicit entry, else a wildcard's for
    /// the child that it is, whatever the states of the two.
    pub(crate) fn at(&self, depth: usize, path: &[u8]) -> Option<Registered> {
        if !self.reach(depth) {
            return None;
        }
        self.of_line(path, false).or_else(|| self.of_line(path::parent(path), true))
    }

    fn of_line(&self, path: &[u8], wildcard: bool) -> Option<Registered> {
        let line = self.table.find(self.snapshot, path, wildcard)?;
        Registered::of(&self.snapshot.content_at(line))
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
        assert_eq!(ask(&index, "/a/b/c/d"), expected, "by a pass");
        index.finder.all(index.snapshot.as_ref().expect("a registry"));
        assert_eq!(ask(&index, "/a/b/c/d"), expected, "by the table");
    }

    /// What follows a backslash of the path is compared with an escape in the line.
    #[test]
    fn mountpoint_with_a_backslash_in_its_name_is_found_by_a_pass_too() {
        let index = Index::new(Some(snapshot("online /a\\134b\noffline /a\\134134\n")));
        assert_eq!(ask(&index, "/a\\b/c"), [(crate::State::Online, 4)]);
        assert_eq!(ask(&index, "/a\\134/c"), [(crate::State::Offline, 6)]);
    }

    fn listed_path() -> impl Strategy<Value = String> {
        let component = prop_oneof![4 => "[abc]", 1 => "\\\\(134b|141)", 1 => Just("ab".to_owned())];
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
            asked in prop::collection::vec("[abc]|ab|\\\\b", 1..5),
        ) {
            let snapshot = snapshot(&lines.concat());
            let asked = format!("/{}", asked.join("/"));
            let finder = Finder::default();
            let pass = Surroundings { snapshot: &snapshot, table: finder.around(&snapshot, asked.as_bytes()) };
            let table = Surroundings { snapshot: &snapshot, table: Cow::Borrowed(finder.all(&snapshot)) };
            prop_assert!(matches!(pass.table, Cow::Owned(_)), "both ways are taken");
            prop_assert_eq!(hits(&pass, &asked), hits(&table, &asked));
        }
    }
}
