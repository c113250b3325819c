//! The look-up against a naive model, on random trees with symlinks.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::Opened;
use fixtures::lab;
use fixtures::registry::Registry;
use mount_core::{Operation, State};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A short path of few names, so that random ones meet: `a/b/../c`.
fn path() -> impl Strategy<Value = PathBuf> {
    let name = prop_oneof![4 => "[abc]", 1 => Just("..".to_owned()), 1 => Just("ab".to_owned())];
    prop::collection::vec(name, 1..5).prop_map(|names| names.iter().collect())
}

fn plain_path() -> impl Strategy<Value = PathBuf> {
    prop::collection::vec(prop_oneof![3 => "[abc]", 1 => Just("ab".to_owned())], 1..4)
        .prop_map(|names| names.iter().collect())
}

#[derive(Debug, Clone)]
struct Tree {
    directories: Vec<PathBuf>,
    /// Where, to what, and whether that is absolute.
    symlinks: Vec<(PathBuf, PathBuf, bool)>,
    registered: BTreeSet<PathBuf>,
    wildcards: BTreeSet<PathBuf>,
    asked: PathBuf,
}

fn tree() -> impl Strategy<Value = Tree> {
    (
        prop::collection::vec(plain_path(), 0..6),
        prop::collection::vec((plain_path(), path(), any::<bool>()), 0..5),
        prop::collection::btree_set(plain_path(), 1..4),
        prop::collection::btree_set(plain_path(), 0..2),
        path(),
    )
        .prop_map(|(directories, symlinks, registered, wildcards, asked)| Tree {
            directories,
            symlinks,
            registered,
            wildcards,
            asked,
        })
}

impl Tree {
    /// What collides is left out: any tree will do.
    fn plant(&self, root: &Path) {
        for directory in &self.directories {
            fs::create_dir_all(root.join(directory)).ok();
        }
        for (at, to, absolute) in &self.symlinks {
            let at = root.join(at);
            fs::create_dir_all(at.parent().expect("below the root")).ok();
            let to = if *absolute { root.join(to) } else { to.clone() };
            symlink(to, at).ok();
        }
    }

    /// Whether a directory is registered or lies below one that is.
    fn covers(&self, root: &Path, directory: &Path) -> bool {
        directory.ancestors().any(|ancestor| {
            let by_wildcard = ancestor.parent().and_then(|parent| parent.strip_prefix(root).ok());
            ancestor.strip_prefix(root).is_ok_and(|path| self.registered.contains(path))
                || by_wildcard.is_some_and(|parent| self.wildcards.contains(parent))
        })
    }
}

/// All that a path leads through, by the names that lead through a symlink too, by asking the system about one prefix after the other; `false` for
/// one that leads nowhere: in a circle, or back out of what doesn't exist.
fn passed(path: &Path, links: usize, passed_by: &mut Vec<PathBuf>) -> bool {
    let mut here = PathBuf::from("/");
    let mut components = path.components();
    components.next();
    while let Some(component) = components.next() {
        let next = here.join(component);
        let target = fs::read_link(&next).ok().filter(|_| component.as_os_str() != "..");
        if let Some(target) = target {
            let left = components.clone().take_while(|component| component.as_os_str() != "..");
            passed_by.push(next.join(left.collect::<PathBuf>()));
            let onward = here.join(target).join(components.as_path());
            return links > 0 && passed(&onward, links - 1, passed_by);
        }
        if component.as_os_str() == ".." && !here.is_dir() {
            return false;
        }
        here = match component.as_os_str() == ".." {
            true => here.parent().unwrap_or(&here).to_owned(),
            false => next,
        };
        passed_by.push(here.clone());
    }
    true
}

fn agrees(root: &Path, registry: &Registry, tree: &Tree) -> Result<(), TestCaseError> {
    tree.plant(root);
    for path in &tree.registered {
        registry.register(root.join(path), State::Offline);
    }
    for path in &tree.wildcards {
        registry.register(root.join(path).join("*"), State::Offline);
    }
    let asked = root.join(&tree.asked);
    let mut directories = Vec::new();
    prop_assume!(passed(&asked, 40, &mut directories));
    let expected = directories.iter().any(|directory| tree.covers(root, directory));
    let verdict = registry.open().verdict(Operation::Open, &asked);
    prop_assert_eq!(verdict.is_err(), expected, "{:?} passes {:?}: {:?}", asked, directories, verdict);
    Ok(())
}

#[test]
fn look_up_agrees_with_a_naive_model_on_random_trees_with_symlinks() {
    lab!(|lab| {
        let number = std::cell::Cell::new(0);
        let refused = std::cell::Cell::new(0);
        let mut runner =
            TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) });
        let result = runner.run(&tree(), |tree| {
            number.set(number.get() + 1);
            let root = lab.dir(format!("case{}", number.get()));
            let registry = Registry::new(&root.join(".registry"));
            let result = agrees(&root, &registry, &tree);
            refused.set(
                refused.get()
                    + usize::from(registry.open().verdict(Operation::Open, &root.join(&tree.asked)).is_err()),
            );
            fs::remove_dir_all(&root).expect("clear away");
            result
        });
        result.expect("the model agrees");
        assert!((200..1800).contains(&refused.get()), "both answers must occur: {} refused", refused.get());
    });
}
