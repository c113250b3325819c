//! All registered mountpoints at one instant, and what has happened between two.

use std::collections::BTreeMap;

use super::transition::{Change, Transition};
use crate::error::path_buf;
use crate::filesystem::Filesystem;
use crate::mounts::Mounts;
use crate::path;
use crate::presence::Presence;
use crate::registry::{Document, Entry, Mode, Pattern};
use crate::state::State;
use crate::table::{Mount, MountTable};

/// What is registered, with what is seen of it.
#[derive(Debug, Default)]
pub(super) struct Picture {
    seen: BTreeMap<Pattern<'static>, Seen>,
    /// False for the one before the first: what is found in the first is not news, unless it is bad.
    taken: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    state: State,
    kind: Kind,
    presence: Presence,
    filesystem: Option<Filesystem>,
    mount: Option<u64>,
    /// Read-write was recorded.
    expects_write: bool,
    /// An automount lies beneath, that is to unmount it when nobody has used it for some time.
    expires: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Registered by itself.
    Explicit,
    /// Speaks of others, and is no mountpoint itself.
    Wildcard,
    /// One that a wildcard speaks of. Known while it is mounted: which directories there are besides, only the
    /// filesystem itself could tell.
    Child,
}

impl Picture {
    /// Looks at everything. Never waits for a filesystem.
    pub(super) fn take(document: &Document, mounts: &Mounts) -> Picture {
        let table = MountTable::of_self().unwrap_or_default();
        mounts.forget_table();
        let mut seen = BTreeMap::new();
        for entry in document.entries() {
            let kind = if entry.pattern.is_wildcard() { Kind::Wildcard } else { Kind::Explicit };
            let found = Seen::of(&entry, kind, &entry.pattern, mounts, &table);
            seen.insert(entry.pattern.into_owned(), found);
        }
        if document.entries().any(|entry| entry.pattern.is_wildcard() && entry.state != State::Ignore) {
            for mount in table.mounts() {
                let mountpoint = path_buf(&mount.mountpoint);
                let Ok(child) = Pattern::literal(&mountpoint) else { continue };
                if let Some(wildcard) = document.wildcard_of(&child) {
                    let found = Seen::of(&wildcard, Kind::Child, &child, mounts, &table);
                    // One that is covered by another mount is in the table all the same.
                    if found.presence != Presence::NotMounted {
                        seen.insert(child.into_owned(), found);
                    }
                }
            }
        }
        Picture { seen, taken: true }
    }

    /// Takes a later one, and returns what has happened since.
    pub(super) fn replace_with(&mut self, later: Picture, at: u64) -> Vec<Transition> {
        let earlier = std::mem::replace(self, later);
        let mut transitions = Vec::new();
        let mut add = |pattern: &Pattern<'static>, seen: &Seen, changes: Vec<Change>| {
            transitions.extend(changes.into_iter().map(|change| seen.transition(pattern, change, at)));
        };
        for (pattern, now) in &self.seen {
            match earlier.seen.get(pattern) {
                Some(before) => add(pattern, now, now.changes_since(before)),
                None if !earlier.taken => add(pattern, now, now.troubles()),
                None => add(pattern, now, now.arrival(earlier.has_wildcard_of(pattern))),
            }
        }
        for (pattern, before) in &earlier.seen {
            if !self.seen.contains_key(pattern) {
                let gone = before.departure(self.has_wildcard_of(pattern));
                let left = Seen { filesystem: None, ..before.clone() };
                add(pattern, &left, gone.into_iter().collect());
            }
        }
        // Stable, so that of one mountpoint they stay in the order of what happened.
        transitions.sort_by(|one, other| one.pattern.cmp(&other.pattern));
        transitions
    }

    /// Something that the prober has found out.
    pub(super) fn transition(
        &self,
        pattern: &Pattern<'static>,
        change: Change,
        at: u64,
    ) -> Option<Transition> {
        self.seen.get(pattern).map(|seen| seen.transition(pattern, change, at))
    }

    /// The mountpoints whose filesystem can be asked, each with the id of its mount. One that is to expire is not: asking
    /// is use.
    pub(super) fn to_probe(&self) -> impl Iterator<Item = (&Pattern<'static>, Option<u64>)> {
        let asked = |seen: &Seen| seen.counts() && seen.is_mounted() && !seen.expires;
        self.seen.iter().filter(move |(_, seen)| asked(seen)).map(|(pattern, seen)| (pattern, seen.mount))
    }

    fn has_wildcard_of(&self, child: &Pattern<'_>) -> bool {
        let parent = child.path().parent().and_then(|parent| Pattern::children_of(parent).ok());
        parent.is_some_and(|parent| self.seen.contains_key(&parent.into_owned()))
    }
}

impl Seen {
    fn of(entry: &Entry<'_>, kind: Kind, pattern: &Pattern<'_>, mounts: &Mounts, table: &MountTable) -> Seen {
        let mut seen = Seen {
            state: entry.state,
            kind,
            presence: Presence::NotMounted,
            filesystem: None,
            mount: None,
            expects_write: entry.options.mode() == Some(Mode::ReadWrite),
            expires: false,
        };
        if seen.counts() {
            let examination = mounts.examine(pattern.path());
            // What the prober itself has recorded is no news to it.
            seen.presence = match examination.presence {
                Presence::Stuck => Presence::Mounted,
                presence => presence,
            };
            seen.filesystem = examination.filesystem;
            seen.mount = examination.mount;
            seen.expires = table.locate(pattern.as_bytes()).is_some_and(|found| expires(found.mount, table));
        }
        seen
    }

    /// Whether it is a mountpoint that decides anything.
    fn counts(&self) -> bool {
        self.kind != Kind::Wildcard && self.state != State::Ignore
    }

    fn is_mounted(&self) -> bool {
        matches!(self.presence, Presence::Mounted | Presence::WrongFilesystem(_))
    }

    fn is_read_only(&self) -> bool {
        self.filesystem.as_ref().is_some_and(|found| found.read_only)
    }

    fn transition(&self, pattern: &Pattern<'static>, change: Change, at: u64) -> Transition {
        let (pattern, filesystem) = (pattern.clone(), self.filesystem.clone());
        Transition { at, pattern, change, state: self.state, filesystem }
    }

    fn changes_since(&self, before: &Seen) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.state != before.state {
            changes.push(Change::State);
        }
        if !self.counts() {
            return changes;
        }
        if !before.counts() {
            changes.extend(self.troubles());
            return changes;
        }
        let changed = if self.presence != before.presence {
            Some(self.change_of_presence())
        } else if self.presence == Presence::Mounted && self.is_replacement_of(before) {
            Some(Change::Replaced(None))
        } else {
            None
        };
        let is_new = changed.is_some();
        changes.extend(changed);
        match (self.presence == Presence::Mounted, self.is_read_only()) {
            (true, true) if is_new && self.expects_write => changes.push(Change::ReadOnly),
            (true, true) if !is_new && !before.is_read_only() => changes.push(Change::ReadOnly),
            (true, false) if !is_new && before.is_read_only() => changes.push(Change::ReadWrite),
            _ => {}
        }
        changes
    }

    /// The same filesystem that was unmounted and mounted again within a burst is no other one.
    fn is_replacement_of(&self, before: &Seen) -> bool {
        match (&self.filesystem, &before.filesystem) {
            (Some(now), Some(before)) => {
                (&now.fs_type, &now.source, &now.root) != (&before.fs_type, &before.source, &before.root)
            }
            _ => false,
        }
    }

    fn change_of_presence(&self) -> Change {
        match &self.presence {
            Presence::Mounted | Presence::Stuck => Change::Mounted,
            Presence::NotMounted => Change::Gone,
            Presence::Idle => Change::Idle,
            Presence::WrongFilesystem(reason) => Change::Replaced(Some(reason.clone())),
            Presence::Unknown(reason) => Change::Unknown(reason.clone()),
        }
    }

    /// What is not as it ought to be.
    fn troubles(&self) -> Vec<Change> {
        match &self.presence {
            _ if !self.counts() => Vec::new(),
            Presence::Mounted if self.expects_write && self.is_read_only() => vec![Change::ReadOnly],
            Presence::Mounted | Presence::Stuck | Presence::Idle => Vec::new(),
            _ => vec![self.change_of_presence()],
        }
    }

    /// When it is seen for the first time. A child is news only where its wildcard is none.
    fn arrival(&self, wildcard_was_there: bool) -> Vec<Change> {
        match self.kind {
            Kind::Child if wildcard_was_there => vec![self.change_of_presence()],
            Kind::Child => self.troubles(),
            Kind::Explicit | Kind::Wildcard => [vec![Change::Registered], self.troubles()].concat(),
        }
    }

    /// When it isn't seen any more.
    fn departure(&self, wildcard_is_there: bool) -> Option<Change> {
        match self.kind {
            Kind::Child => wildcard_is_there.then_some(Change::Gone),
            Kind::Explicit | Kind::Wildcard => Some(Change::Removed),
        }
    }
}

/// Whether a mount was made by an automount that takes it away again after some time without use.
fn expires(mount: &Mount, table: &MountTable) -> bool {
    let beneath = table.by_id(mount.parent).filter(|beneath| beneath.fs_type == b"autofs");
    beneath.is_some_and(|trigger| {
        let covers = path::is_within(&mount.mountpoint, &trigger.mountpoint);
        let mut options = trigger.super_options.split(|byte| *byte == b',');
        covers && !options.any(|option| option == b"timeout=0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(presence: Presence) -> Seen {
        let filesystem = (presence == Presence::Mounted).then(|| filesystem("ext4", "/dev/sda1"));
        let (state, kind) = (State::Online, Kind::Explicit);
        Seen { state, kind, presence, filesystem, mount: None, expects_write: true, expires: false }
    }

    fn filesystem(fs_type: &str, source: &str) -> Filesystem {
        let (fs_type, source) = (fs_type.into(), source.into());
        Filesystem { fs_type, source, root: b"/".to_vec(), read_only: false, device: (8, 1) }
    }

    fn read_only() -> Seen {
        let filesystem = Filesystem { read_only: true, ..filesystem("ext4", "/dev/sda1") };
        Seen { filesystem: Some(filesystem), ..seen(Presence::Mounted) }
    }

    fn picture(list: &[(&str, Seen)]) -> Picture {
        let pattern = |text: &str| Pattern::parse(text.as_ref()).expect("a pattern").into_owned();
        let seen = list.iter().map(|(path, seen)| (pattern(path), seen.clone())).collect();
        Picture { seen, taken: true }
    }

    fn words(earlier: &[(&str, Seen)], later: &[(&str, Seen)]) -> Vec<String> {
        let transitions = picture(earlier).replace_with(picture(later), 0);
        transitions.iter().map(|what| format!("{} {}", what.pattern, what.change.as_str())).collect()
    }

    fn becomes(before: Seen, after: Seen) -> Vec<String> {
        words(&[("/a", before)], &[("/a", after)])
    }

    #[test]
    fn each_transition_has_its_word() {
        let mounted = || seen(Presence::Mounted);
        assert_eq!(becomes(mounted(), mounted()), [""; 0]);
        assert_eq!(becomes(mounted(), seen(Presence::NotMounted)), ["/a gone"]);
        assert_eq!(becomes(seen(Presence::NotMounted), mounted()), ["/a mounted"]);
        assert_eq!(becomes(mounted(), seen(Presence::Idle)), ["/a idle"]);
        assert_eq!(becomes(mounted(), seen(Presence::WrongFilesystem("x".into()))), ["/a replaced"]);
        let other = Seen { filesystem: Some(filesystem("xfs", "/dev/sda1")), ..mounted() };
        assert_eq!(becomes(mounted(), other), ["/a replaced"]);
        assert_eq!(becomes(mounted(), read_only()), ["/a read-only"]);
        assert_eq!(becomes(read_only(), mounted()), ["/a read-write"]);
        assert_eq!(becomes(seen(Presence::NotMounted), read_only()), ["/a mounted", "/a read-only"]);
        let offline = Seen { state: State::Offline, ..mounted() };
        assert_eq!(becomes(mounted(), offline), ["/a state"]);
        assert_eq!(words(&[], &[("/a", mounted())]), ["/a registered"]);
        assert_eq!(words(&[], &[("/a", seen(Presence::NotMounted))]), ["/a registered", "/a gone"]);
        assert_eq!(words(&[("/a", mounted())], &[]), ["/a removed"]);
    }

    #[test]
    fn ignored_mountpoint_is_nobodys_news() {
        let ignored = |presence| Seen { state: State::Ignore, ..seen(presence) };
        assert_eq!(becomes(ignored(Presence::Mounted), ignored(Presence::NotMounted)), [""; 0]);
        assert_eq!(
            becomes(ignored(Presence::NotMounted), seen(Presence::NotMounted)),
            ["/a state", "/a gone"]
        );
    }

    #[test]
    fn first_picture_tells_only_what_is_not_as_it_ought_to_be() {
        let list = [("/a", seen(Presence::Mounted)), ("/b", seen(Presence::NotMounted)), ("/c", read_only())];
        let transitions = Picture::default().replace_with(picture(&list), 0);
        let words: Vec<_> = transitions.iter().map(|what| what.change.as_str()).collect();
        assert_eq!(words, ["gone", "read-only"]);
    }

    #[test]
    fn child_of_a_wildcard_comes_and_goes_with_its_mount() {
        let child = || Seen { kind: Kind::Child, ..seen(Presence::Mounted) };
        let wildcard = || Seen { kind: Kind::Wildcard, ..seen(Presence::NotMounted) };
        let (without, with) = ([("/t/*", wildcard())], [("/t/*", wildcard()), ("/t/bob", child())]);
        assert_eq!(words(&without, &with), ["/t/bob mounted"]);
        assert_eq!(words(&with, &without), ["/t/bob gone"]);
        assert_eq!(words(&[], &with), ["/t/* registered"]);
        assert_eq!(words(&with, &[]), ["/t/* removed"]);
    }
}
