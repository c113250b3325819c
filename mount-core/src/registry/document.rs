//! The list as a writer changes it.

use std::collections::{BTreeMap, HashMap};

use super::format::{Content, Damage, Header, Lines, forgotten_line};
use super::{Entry, Pattern, Stuck};
use crate::State;
use crate::error::{Error, ErrorKind};

/// A registry file in memory: its generation and all its lines, whether they could be read or not.
///
/// A line that no change was made to keeps its bytes. Lines that a later one about the same path has
/// made void are left out when it is written.
///
/// What is observed of a registered mountpoint stands in its own line. A directory that only a wildcard speaks of has
/// none, so the runtime file gets one for it, with what the wildcard says, as long as there is something to say.
/// Guards read it as any other; here it is no entry.
#[derive(Debug, Clone, Default)]
pub struct Document {
    generation: u64,
    extra: Vec<u8>,
    lines: Vec<Kept>,
    latest: HashMap<Pattern<'static>, usize>,
    /// Observed of directories that a wildcard speaks of.
    children: BTreeMap<Pattern<'static>, Stuck>,
    changed: bool,
}

#[derive(Debug, Clone)]
struct Kept {
    text: Vec<u8>,
    meaning: Meaning,
}

#[derive(Debug, Clone)]
enum Meaning {
    Registered(Entry<'static>),
    Forgotten,
    /// A remark, or a line that cannot be read.
    Opaque,
    /// A later line is about the same path.
    Void,
}

/// What [`Document::insert`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The mountpoint was not known.
    New,
    /// It had been forgotten.
    Revived,
}

impl Document {
    /// The list in a file's bytes.
    ///
    /// # Errors
    /// [`Damage`] when the file as a whole cannot be understood.
    pub fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        Ok(Self::after(Header::read(bytes)?, bytes))
    }

    /// The list in `bytes`, whose header has been read.
    pub(super) fn after(header: Header, bytes: &[u8]) -> Self {
        let mut document = Document { generation: header.generation, ..Document::default() };
        if !header.is_legacy {
            document.extra = bytes[header.extra..header.body - 1].to_vec();
        }
        for line in Lines::after(header, bytes) {
            match line.content {
                Content::Registered(entry) if entry.options.is_of_child() => {
                    if let Some(stuck) = entry.options.stuck() {
                        document.children.insert(entry.pattern.into_owned(), stuck);
                    }
                }
                Content::Registered(entry) => {
                    let entry = entry.into_owned();
                    let text = if header.is_legacy { entry.to_line() } else { line.raw.to_vec() };
                    document.push(entry.pattern.clone(), text, Meaning::Registered(entry));
                }
                Content::Forgotten(pattern) => {
                    document.push(pattern.into_owned(), line.raw.to_vec(), Meaning::Forgotten);
                }
                Content::Remark | Content::Unreadable { .. } => {
                    document.lines.push(Kept { text: line.raw.to_vec(), meaning: Meaning::Opaque });
                }
            }
        }
        document
    }

    /// The bytes of the file, always in the present format.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Header::line(self.generation, &self.extra);
        for line in &self.lines {
            if !matches!(line.meaning, Meaning::Void) {
                bytes.extend_from_slice(&line.text);
                bytes.push(b'\n');
            }
        }
        bytes
    }

    /// The bytes of the runtime file: these, and a line for each directory that is stuck though only a wildcard
    /// speaks of it.
    pub(super) fn to_runtime_bytes(&self) -> Vec<u8> {
        let mut bytes = self.to_bytes();
        for (pattern, stuck) in &self.children {
            if let Some(wildcard) = self.wildcard_of(pattern) {
                let options = wildcard.options.of_child(*stuck);
                let line = Entry { pattern: pattern.clone(), state: wildcard.state, options }.to_line();
                bytes.extend_from_slice(&line);
                bytes.push(b'\n');
            }
        }
        bytes
    }

    /// The entry that decides on a directory which is not registered by itself, unless it is to be ignored.
    #[must_use]
    pub fn wildcard_of(&self, child: &Pattern<'_>) -> Option<&Entry<'static>> {
        let parent = child.path().parent().filter(|_| !child.is_wildcard() && self.get(child).is_none())?;
        let wildcard = Pattern::children_of(parent).ok()?;
        self.get(&wildcard).filter(|entry| entry.state != State::Ignore)
    }

    /// What is recorded of a mountpoint, or of a directory that a wildcard speaks of. Only the runtime file has it.
    #[must_use]
    pub fn stuck(&self, pattern: &Pattern<'_>) -> Option<Stuck> {
        match self.get(pattern) {
            Some(entry) => entry.options.stuck(),
            None => self.children.get(pattern).copied(),
        }
    }

    /// All that is recorded as stuck.
    pub fn all_stuck(&self) -> impl Iterator<Item = (&Pattern<'static>, Stuck)> {
        let entries = self.entries().filter_map(|entry| Some((&entry.pattern, entry.options.stuck()?)));
        entries.chain(self.children.iter().map(|(pattern, stuck)| (pattern, *stuck)))
    }

    /// How many times the list was written.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The registered mountpoints, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = &Entry<'static>> {
        self.lines.iter().filter_map(|line| match &line.meaning {
            Meaning::Registered(entry) => Some(entry),
            _ => None,
        })
    }

    /// The entry of exactly this pattern.
    #[must_use]
    pub fn get(&self, pattern: &Pattern<'_>) -> Option<&Entry<'static>> {
        match &self.lines[*self.latest.get(pattern)?].meaning {
            Meaning::Registered(entry) => Some(entry),
            _ => None,
        }
    }

    /// Whether it was registered and then removed.
    #[must_use]
    pub fn is_forgotten(&self, pattern: &Pattern<'_>) -> bool {
        self.latest.get(pattern).is_some_and(|&at| matches!(self.lines[at].meaning, Meaning::Forgotten))
    }

    /// Makes sure that the list is written, though nothing may be on it: one that was never written is begun, since
    /// that nothing is registered on purpose is something else than that nobody knows.
    pub fn begin(&mut self) {
        self.changed |= self.generation == 0 && self.lines.is_empty();
    }

    /// Registers a mountpoint; a forgotten one comes back in its old place.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] when it is registered already, with its state and how to change it.
    pub fn insert(&mut self, entry: Entry<'static>) -> Result<Inserted, Error> {
        if let Some(old) = self.get(&entry.pattern) {
            let text = format!(
                "{} is registered already, as {}; change it with `mountguard state`",
                old.pattern, old.state
            );
            return Err(Error::new(ErrorKind::Data, text));
        }
        let known = self.latest.get(&entry.pattern).copied();
        let (text, meaning) = (entry.to_line(), Meaning::Registered(entry.clone()));
        match known {
            Some(at) => self.write(at, text, meaning),
            None => {
                self.push(entry.pattern, text, meaning);
                self.changed = true;
            }
        }
        Ok(if known.is_some() { Inserted::Revived } else { Inserted::New })
    }

    /// Puts `entry` in the place of the one with the same pattern, and returns that one.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] when there is none.
    pub fn replace(&mut self, entry: Entry<'static>) -> Result<Entry<'static>, Error> {
        let (at, old) = self.find(&entry.pattern)?;
        let old = old.clone();
        if entry != old {
            self.write(at, entry.to_line(), Meaning::Registered(entry));
        }
        Ok(old)
    }

    /// Sets the state and returns the one before.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] when there is no entry of exactly this pattern.
    pub fn set_state(&mut self, pattern: &Pattern<'_>, state: State) -> Result<State, Error> {
        let (_, entry) = self.find(pattern)?;
        let entry = Entry { state, ..entry.clone() };
        self.replace(entry).map(|old| old.state)
    }

    /// Unregisters a mountpoint and returns its entry; discovery will not add it again.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] when there is no entry of exactly this pattern.
    pub fn forget(&mut self, pattern: &Pattern<'_>) -> Result<Entry<'static>, Error> {
        let (at, old) = self.find(pattern)?;
        let old = old.clone();
        self.write(at, forgotten_line(pattern), Meaning::Forgotten);
        Ok(old)
    }

    /// Whether anything was changed since it was read.
    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    /// The same list, one write later. Only equality is ever asked of generations, so it may wrap.
    pub(super) fn count_write(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// The runtime file's list: this one, with what `runtime` had observed of mountpoints still on it.
    pub(super) fn with_observed_of(&self, runtime: Option<&Document>) -> Document {
        let mut document = self.clone();
        for entry in self.entries() {
            let stuck = runtime.and_then(|runtime| runtime.get(&entry.pattern)?.options.stuck());
            document.observe(&entry.pattern, stuck);
        }
        // The persistent file has none, unless somebody copied the runtime file to it.
        document.children = runtime.map(|runtime| runtime.children.clone()).unwrap_or_default();
        document.children.retain(|child, _| self.wildcard_of(child).is_some());
        document
    }

    /// Sets or clears what is observed of a mountpoint, if it is registered or a wildcard speaks of it.
    pub(super) fn observe(&mut self, pattern: &Pattern<'_>, stuck: Option<Stuck>) {
        let Ok((at, entry)) = self.find(pattern) else {
            match stuck.filter(|_| self.wildcard_of(pattern).is_some()) {
                Some(stuck) => self.children.insert(pattern.clone().into_owned(), stuck),
                None => self.children.remove(&pattern.clone().into_owned()),
            };
            return;
        };
        if entry.options.stuck() == stuck {
            return;
        }
        let mut entry = entry.clone();
        entry.options.set_stuck(stuck);
        self.write(at, entry.to_line(), Meaning::Registered(entry));
    }

    fn find(&self, pattern: &Pattern<'_>) -> Result<(usize, &Entry<'static>), Error> {
        let missing = || Error::new(ErrorKind::NotRegistered, format!("{pattern} is not registered"));
        let at = *self.latest.get(pattern).ok_or_else(missing)?;
        match &self.lines[at].meaning {
            Meaning::Registered(entry) => Ok((at, entry)),
            _ => Err(missing()),
        }
    }

    fn push(&mut self, pattern: Pattern<'static>, text: Vec<u8>, meaning: Meaning) {
        if let Some(earlier) = self.latest.insert(pattern, self.lines.len()) {
            self.lines[earlier].meaning = Meaning::Void;
        }
        self.lines.push(Kept { text, meaning });
    }

    fn write(&mut self, at: usize, text: Vec<u8>, meaning: Meaning) {
        self.lines[at] = Kept { text, meaning };
        self.changed = true;
    }
}
