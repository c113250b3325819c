//! The list as a writer changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::content::{Content, Damage};
use super::format::{Header, Lines, content, forgotten_line};
use super::pieces::Pieces;
use super::text::Text;
use super::{Entry, Finder, Listing, Options, Pattern, Stuck};
use crate::State;
use crate::error::{Error, ErrorKind};

/// A registry file in memory: its generation and all its lines, whether they could be read or not.
///
/// A line that no change was made to keeps its bytes. Those that a later one about the same path has made void are
/// left out once that path's line is changed.
///
/// What is observed of a registered mountpoint stands in its own line. A directory that only a wildcard speaks of has
/// none, so the runtime file gets one for it, with what the wildcard says, as long as there is something to say.
/// Guards read it as any other; here it is no entry.
#[derive(Debug, Clone, Default)]
pub struct Document {
    generation: u64,
    extra: Vec<u8>,
    text: Text,
    finder: Finder,
    /// Observed of directories that a wildcard speaks of.
    children: Observed,
    changed: bool,
}

/// What was observed of which mountpoints and directories.
pub(super) type Observed = BTreeMap<Pattern<'static>, Stuck>;

/// The lines about one path.
struct Place {
    /// The one that counts.
    line: u32,
    /// Those before it.
    void: Vec<u32>,
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
        Ok(Self::after(Header::read(bytes)?, &Arc::new(bytes.to_vec())))
    }

    /// The list in `bytes`, whose header has been read.
    pub(super) fn after(header: Header, bytes: &Arc<Vec<u8>>) -> Self {
        let (extra, text) = if header.is_legacy {
            (Vec::new(), Text::new(Arc::new(upgraded(header, bytes)), 0))
        } else {
            let text = match bytes.last() {
                Some(b'\n') => Arc::clone(bytes),
                _ => Arc::new([bytes, &b"\n"[..]].concat()),
            };
            (bytes[header.extra..header.body - 1].to_vec(), Text::new(text, header.body))
        };
        let mut document = Document { generation: header.generation, extra, text, ..Document::default() };
        document.take_children_out();
        document
    }

    fn take_children_out(&mut self) {
        for at in self.text.lines_with(Options::MARK_OF_CHILD) {
            let Content::Registered(entry) = self.text.content_at(at) else { continue };
            if entry.options.is_of_child() {
                let observed = entry.options.stuck().map(|stuck| (entry.pattern.into_owned(), stuck));
                self.children.extend(observed);
                self.text.remove(at);
            }
        }
    }

    /// The bytes of the file, always in the present format.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.pieces().concat()
    }

    /// The same, uncopied.
    pub(super) fn pieces(&self) -> Pieces<'_> {
        let mut pieces = Pieces::default();
        pieces.push(Header::line(self.generation, &self.extra));
        self.text.render(&mut pieces);
        pieces
    }

    /// The bytes of the runtime file: these, and a line for each directory that is stuck though only a wildcard
    /// speaks of it.
    pub(super) fn runtime_pieces(&self) -> Pieces<'_> {
        let mut pieces = self.pieces();
        for (pattern, stuck) in &self.children {
            if let Some(wildcard) = self.wildcard_of(pattern) {
                let options = wildcard.options.of_child(*stuck);
                let mut line = Entry { pattern: pattern.clone(), state: wildcard.state, options }.to_line();
                line.push(b'\n');
                pieces.push(line);
            }
        }
        pieces
    }

    /// The entry that decides on a directory which is not registered by itself, unless it is to be ignored.
    #[must_use]
    pub fn wildcard_of(&self, child: &Pattern<'_>) -> Option<Entry<'_>> {
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
    pub fn all_stuck(&self) -> impl Iterator<Item = (Pattern<'_>, Stuck)> {
        let lines = self.text.lines_with(Options::MARK_OF_OBSERVED).into_iter();
        let entries = lines.filter_map(|at| {
            let Content::Registered(entry) = self.text.content_at(at) else { return None };
            let counts = self.place_of(&entry.pattern).is_some_and(|place| place.line == at);
            entry.options.stuck().filter(|_| counts).map(|stuck| (entry.pattern, stuck))
        });
        entries.chain(self.children.iter().map(|(pattern, stuck)| (pattern.clone(), *stuck)))
    }

    /// How many times the list was written.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The registered mountpoints, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let void = self.finder.all(&self.text).void();
        let counting = self.text.lines().filter(|(at, _)| !void.contains(at));
        counting.filter_map(|(_, line)| registered(content(line)))
    }

    /// The entry of exactly this pattern.
    #[must_use]
    pub fn get(&self, pattern: &Pattern<'_>) -> Option<Entry<'_>> {
        registered(self.text.content_at(self.place_of(pattern)?.line))
    }

    /// Whether it was registered and then removed.
    #[must_use]
    pub fn is_forgotten(&self, pattern: &Pattern<'_>) -> bool {
        let place = self.place_of(pattern);
        place.is_some_and(|place| matches!(self.text.content_at(place.line), Content::Forgotten(_)))
    }

    /// Makes sure that the list is written, though nothing may be on it: one that was never written is begun, since
    /// that nothing is registered on purpose is something else than that nobody knows.
    pub fn begin(&mut self) {
        self.changed |= self.generation == 0 && self.text.is_empty();
    }

    /// Registers a mountpoint; a forgotten one comes back in its old place.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] when it is registered already, with its state and how to change it.
    pub fn insert(&mut self, entry: Entry<'_>) -> Result<Inserted, Error> {
        let Some(place) = self.place_of(&entry.pattern) else {
            let at = self.text.push(entry.to_line());
            self.finder.add(&self.text, at);
            self.changed = true;
            return Ok(Inserted::New);
        };
        if let Some(old) = registered(self.text.content_at(place.line)) {
            let text = format!(
                "{} is registered already, as {}; change it with `mountguard state`",
                old.pattern, old.state
            );
            return Err(Error::new(ErrorKind::Data, text));
        }
        self.write(place, entry.to_line());
        Ok(Inserted::Revived)
    }

    /// Puts `entry` in the place of the one with the same pattern, and returns that one.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] when there is none.
    pub fn replace(&mut self, entry: Entry<'_>) -> Result<Entry<'static>, Error> {
        let (place, old) = self.find(&entry.pattern)?;
        if entry != old {
            self.write(place, entry.to_line());
        }
        Ok(old)
    }

    /// Sets the state and returns the one before.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] when there is no entry of exactly this pattern.
    pub fn set_state(&mut self, pattern: &Pattern<'_>, state: State) -> Result<State, Error> {
        let (place, mut entry) = self.find(pattern)?;
        let old = std::mem::replace(&mut entry.state, state);
        if state != old {
            self.write(place, entry.to_line());
        }
        Ok(old)
    }

    /// Unregisters a mountpoint and returns its entry; discovery will not add it again.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] when there is no entry of exactly this pattern.
    pub fn forget(&mut self, pattern: &Pattern<'_>) -> Result<Entry<'static>, Error> {
        let (place, old) = self.find(pattern)?;
        self.write(place, forgotten_line(pattern));
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

    /// The runtime file's list: this one, with what was observed of mountpoints and directories still on it.
    pub(super) fn with_observed(&self, observed: &Observed) -> Document {
        let mut document = self.clone();
        // The persistent file has none, unless somebody copied the runtime file to it.
        for (pattern, _) in self.all_stuck().filter(|(pattern, _)| !observed.contains_key(pattern)) {
            document.observe(&pattern, None);
        }
        for (pattern, stuck) in observed {
            document.observe(pattern, Some(*stuck));
        }
        document
    }

    /// Sets or clears what is observed of a mountpoint, if it is registered or a wildcard speaks of it.
    pub(super) fn observe(&mut self, pattern: &Pattern<'_>, stuck: Option<Stuck>) {
        let Ok((place, mut entry)) = self.find(pattern) else {
            match stuck.filter(|_| self.wildcard_of(pattern).is_some()) {
                Some(stuck) => self.children.insert(pattern.clone().into_owned(), stuck),
                None => self.children.remove(&pattern.clone().into_owned()),
            };
            return;
        };
        if entry.options.stuck() != stuck {
            entry.options.set_stuck(stuck);
            self.write(place, entry.to_line());
        }
    }

    fn place_of(&self, pattern: &Pattern<'_>) -> Option<Place> {
        let path = pattern.as_bytes();
        let table = self.finder.around(&self.text, path);
        let line = table.find(&self.text, path, pattern.is_wildcard())?;
        let about_it = |at: &u32| self.text.pattern_at(*at).as_ref() == Some(pattern);
        Some(Place { line, void: table.void().iter().copied().filter(about_it).collect() })
    }

    fn find(&self, pattern: &Pattern<'_>) -> Result<(Place, Entry<'static>), Error> {
        let missing = || Error::new(ErrorKind::NotRegistered, format!("{pattern} is not registered"));
        let place = self.place_of(pattern).ok_or_else(missing)?;
        let entry = registered(self.text.content_at(place.line)).ok_or_else(missing)?.into_owned();
        Ok((place, entry))
    }

    fn write(&mut self, place: Place, line: Vec<u8>) {
        place.void.into_iter().for_each(|earlier| self.text.remove(earlier));
        self.text.replace(place.line, line);
        self.changed = true;
    }
}

fn registered(content: Content<'_>) -> Option<Entry<'_>> {
    match content {
        Content::Registered(entry) => Some(entry),
        _ => None,
    }
}

/// The lines of a file of the old format in the present one.
fn upgraded(header: Header, bytes: &[u8]) -> Vec<u8> {
    let mut upgraded = Vec::with_capacity(bytes.len());
    for line in Lines::after(header, bytes) {
        match line.content {
            Content::Registered(entry) => upgraded.extend(entry.to_line()),
            _ => upgraded.extend(line.raw),
        }
        upgraded.push(b'\n');
    }
    upgraded
}
