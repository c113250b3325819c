//! The covering mountpoint of a path: which registered mountpoints are the path or enclose it.
//!
//! Looked up by whole components in hash tables keyed by path, so that the number of registered mountpoints
//! doesn't matter; only depths at which something is registered are looked at.

use std::collections::HashMap;

use crate::path;
use crate::registered::Registered;

/// One registered mountpoint that a path lies at or below.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit<'a> {
    pub registered: &'a Registered,
    /// The mountpoint itself: for a wildcard, the child that the path lies in.
    pub mountpoint: &'a [u8],
}

/// All registered mountpoints, by path.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: Vec<Registered>,
    exact: Paths,
    /// Keyed by the directory whose children the wildcard speaks of.
    wildcards: Paths,
}

/// Positions in the list of entries by path, and the depths that occur.
#[derive(Debug, Default)]
struct Paths {
    positions: HashMap<Box<[u8]>, u32>,
    depths: u64,
}

impl Paths {
    fn insert(&mut self, path: &[u8], position: u32) {
        self.depths |= depth_bit(path::components(path).count());
        self.positions.insert(path.into(), position);
    }

    fn get(&self, depth: usize, path: &[u8]) -> Option<u32> {
        if self.depths & depth_bit(depth) == 0 {
            return None;
        }
        self.positions.get(path).copied()
    }
}

/// One bit a depth; all depths from 63 on share the last.
fn depth_bit(depth: usize) -> u64 {
    1 << depth.min(63)
}

impl Index {
    /// Adds one; a later one with the same path takes the place of an earlier.
    pub(crate) fn insert(&mut self, registered: Registered) {
        let Ok(position) = u32::try_from(self.entries.len()) else {
            return;
        };
        let paths = if registered.wildcard { &mut self.wildcards } else { &mut self.exact };
        paths.insert(&registered.real, position);
        self.entries.push(registered);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The registered mountpoints at or above a path, shallow first. An explicit one hides a wildcard of equal
    /// depth, whatever the states of the two.
    ///
    /// The path must be clean and free of symlinks.
    pub(crate) fn hits<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = Hit<'a>> {
        path::prefix_ends(path).enumerate().filter_map(move |(before, end)| {
            let mountpoint = &path[..end];
            let registered = self.at_depth(before + 1, mountpoint)?;
            Some(Hit { registered, mountpoint })
        })
    }

    /// What is registered for exactly this path.
    pub(crate) fn at(&self, path: &[u8]) -> Option<&Registered> {
        self.at_depth(path::components(path).count(), path)
    }

    fn at_depth(&self, depth: usize, path: &[u8]) -> Option<&Registered> {
        let of_parent = || self.wildcards.get(depth.checked_sub(1)?, path::parent(path));
        let position = self.exact.get(depth, path).or_else(of_parent)?;
        self.entries.get(usize::try_from(position).ok()?)
    }
}
