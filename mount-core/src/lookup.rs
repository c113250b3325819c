//! The covering mountpoint of a path: which registered mountpoints are the path or enclose it.
//!
//! Looked up by whole components, so that the number of registered mountpoints doesn't matter; only depths at which
//! something is registered are looked at. The first questions are answered by a pass over the file; for who asks more
//! it is read and a table made.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use crate::error::Error;
use crate::path;
use crate::registered::Registered;
use crate::registry::{PASSES, Snapshot, Source, Table};
use crate::state::State;

/// All registered mountpoints, by path.
#[derive(Debug, Default)]
pub(crate) struct Index {
    source: Option<Source>,
    is_empty: bool,
    passes: Cell<u32>,
    all: OnceCell<Rc<Surroundings>>,
}

impl Index {
    /// The mountpoints that a registry file lists; `None` stands for no file. Of two lines about one path the later
    /// counts.
    ///
    /// # Errors
    /// As [`Source::whole`].
    pub(crate) fn new(source: Option<Source>) -> Result<Self, Error> {
        let is_empty = match &source {
            Some(source) => !source.has(|content| Registered::of(content).is_some())?,
            None => true,
        };
        Ok(Index { source, is_empty, ..Index::default() })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// What is registered for a path and for the directories above it; `None` where nothing is at all.
    ///
    /// The path must be clean and free of symlinks.
    ///
    /// # Errors
    /// As [`Source::whole`].
    pub(crate) fn around(&self, path: &[u8]) -> Result<Option<Rc<Surroundings>>, Error> {
        let Some(source) = self.source.as_ref().filter(|_| !self.is_empty) else { return Ok(None) };
        if let Some(all) = self.all() {
            return Ok(Some(Rc::clone(all)));
        }
        if self.passes.get() < PASSES {
            self.passes.set(self.passes.get() + 1);
            return Ok(Some(Rc::new(Surroundings::of(source.around(path)?))));
        }
        let all = Rc::new(Surroundings::of(source.whole()?));
        Ok(Some(Rc::clone(self.all.get_or_init(|| all))))
    }

    /// Whether a mountpoint that decides anything is registered at a clean path or above it, but longer than `above` bytes.
    ///
    /// # Errors
    /// As [`Source::whole`].
    pub(crate) fn has_mountpoint_beyond(&self, path: &[u8], above: usize) -> Result<bool, Error> {
        if path.len() <= above {
            return Ok(false);
        }
        let Some(around) = self.around(path)? else { return Ok(false) };
        let counts = |registered: Registered| registered.state != State::Ignore;
        let mut ends = path::prefix_ends(path).enumerate().filter(|(_, end)| *end > above);
        Ok(ends.any(|(before, end)| around.at(before + 1, &path[..end]).is_some_and(counts)))
    }

    /// What is registered for all paths; `None` as long as that would cost a pass over the file.
    pub(crate) fn all(&self) -> Option<&Rc<Surroundings>> {
        self.all.get()
    }
}

/// What is registered for one path and the directories above it, or for all.
#[derive(Debug)]
pub(crate) struct Surroundings {
    snapshot: Snapshot,
    table: Table,
}

impl Surroundings {
    fn of(snapshot: Snapshot) -> Self {
        Surroundings { table: Table::of_all(&snapshot), snapshot }
    }

    /// Whether anything at all is registered so many components deep.
    pub(crate) fn reach(&self, depth: usize) -> bool {
        self.table.reach(depth)
    }

    /// What is registered for exactly this path, so many components deep: an explicit entry, else a wildcard's for
    /// the child that it is, whatever the states of the two.
    pub(crate) fn at(&self, depth: usize, path: &[u8]) -> Option<Registered> {
        let explicit = if self.table.lists(depth) { self.of_line(path, false) } else { None };
        if explicit.is_some() || !self.table.lists_children(depth) {
            return explicit;
        }
        self.of_line(path::parent(path), true)
    }

    fn of_line(&self, path: &[u8], wildcard: bool) -> Option<Registered> {
        let line = self.table.find(&self.snapshot, path, wildcard)?;
        Registered::of(&self.snapshot.content_at(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Directories, Store};
    use proptest::prelude::*;

    fn index(lines: &str) -> Index {
        let directory = tempfile::tempdir().expect("a directory");
        let directories = Directories { state: directory.path().into(), run: directory.path().join("none") };
        std::fs::write(directories.persistent(), format!("# mountguard 1 generation=0\n{lines}"))
            .expect("write a registry");
        Index::new(Store::new(directories).open_effective().expect("a registry")).expect("a registry")
    }

    /// The same lines, in a file that is long enough for an index.
    fn long_index(lines: &str) -> Index {
        let [state, run] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let store = Store::new(Directories { state: state.path().into(), run: run.path().into() });
        let remarks = "#\n".repeat(4096);
        let text = format!("# mountguard 1 generation=0\n{remarks}{lines}");
        std::fs::write(store.directories().persistent(), text).expect("write a registry");
        store.restore().expect("the runtime file and its index");
        let source = store.open_effective().expect("a registry").expect("a registry");
        assert!(source.has_index());
        Index::new(Some(source)).expect("a registry")
    }

    fn table(index: &Index) -> Rc<Surroundings> {
        let all = index.source.as_ref().expect("a registry").whole().expect("a registry");
        Rc::new(Surroundings::of(all))
    }

    /// State and mountpoint of all that a path lies at or below.
    fn hits(around: &Surroundings, path: &str) -> Vec<(crate::State, usize)> {
        let ends = path::prefix_ends(path.as_bytes()).enumerate();
        ends.filter_map(|(before, end)| Some((around.at(before + 1, &path.as_bytes()[..end])?.state, end)))
            .collect()
    }

    fn ask(index: &Index, path: &str) -> Vec<(crate::State, usize)> {
        hits(&index.around(path.as_bytes()).expect("readable").expect("a registry"), path)
    }

    #[test]
    fn later_line_counts_and_a_forgotten_one_counts_no_more() {
        let index =
            index("online /a\nonline /a/b\noffline /a\nonline /a/b/c\nforgotten /a/b\nonline /a/b/c/*\n");
        let expected = vec![(crate::State::Offline, 2), (crate::State::Online, 6), (crate::State::Online, 8)];
        for _ in 0..2 * PASSES {
            assert_eq!(ask(&index, "/a/b/c/d"), expected);
        }
        assert!(index.all.get().is_some(), "both ways were taken");
    }

    /// What follows a backslash of the path is compared with an escape in the line.
    #[test]
    fn mountpoint_with_a_backslash_in_its_name_is_found_by_a_pass_too() {
        let index = index("online /a\\134b\noffline /a\\134134\n");
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
            let index = index(&lines.concat());
            prop_assume!(!index.is_empty());
            let asked = format!("/{}", asked.join("/"));
            prop_assert_eq!(ask(&index, &asked), hits(&table(&index), &asked));
        }

        #[test]
        fn index_finds_what_the_table_finds(
            lines in prop::collection::vec(line(), 0..30),
            asked in prop::collection::vec("[abc]|ab|\\\\b", 1..5),
        ) {
            let index = long_index(&lines.concat());
            prop_assume!(!index.is_empty());
            let asked = format!("/{}", asked.join("/"));
            prop_assert_eq!(ask(&index, &asked), hits(&table(&index), &asked));
        }
    }
}
