//! Finds out which filesystems don't answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::transition::Change;
use crate::probe::{self, Probe, Progress};
use crate::registry::{Document, Pattern, Stuck};

/// How many are asked at a time, besides those that are stuck.
const AT_ONCE: usize = 32;

/// Asks each mounted filesystem from a process of its own, never more than one for a mountpoint.
#[derive(Debug)]
pub(super) struct Prober {
    deadline: Duration,
    slots: BTreeMap<Pattern<'static>, Slot>,
    /// Whose turn it is to be asked.
    queue: VecDeque<Pattern<'static>>,
    /// Recorded as stuck, but not asked any more: unmounted or unregistered since.
    stale: BTreeSet<Pattern<'static>>,
    /// Recording has failed; tried again after the next look.
    postponed: bool,
}

/// One mountpoint.
#[derive(Debug, Default)]
struct Slot {
    /// Which mount is asked, where that is known.
    mount: Option<u64>,
    /// Who is asking, and since when.
    asking: Option<(Probe, Instant)>,
    condition: Condition,
    /// The registry says that it is stuck.
    recorded: bool,
}

#[derive(Debug, Default)]
enum Condition {
    #[default]
    Answers,
    Failing,
    /// Since so many seconds after the epoch.
    Stuck(Option<u64>),
}

impl Prober {
    pub(super) fn new(deadline: Duration) -> Self {
        Prober {
            deadline,
            slots: BTreeMap::new(),
            queue: VecDeque::new(),
            stale: BTreeSet::new(),
            postponed: false,
        }
    }

    /// Begins a round over these mountpoints, and forgets all others. One that is still being asked is not asked again,
    /// unless another mount is there by now: whoever asks the former one may hang for good, and says nothing of this one.
    pub(super) fn turn_to<'p>(
        &mut self,
        mountpoints: impl Iterator<Item = (&'p Pattern<'static>, Option<u64>)>,
        document: &Document,
    ) {
        let mut before = std::mem::take(&mut self.slots);
        self.queue.clear();
        for (pattern, mount) in mountpoints {
            let recorded = document.stuck(pattern);
            // One that somebody recorded as stuck before is stuck until it answers.
            let found = || Slot {
                mount,
                condition: recorded.map_or(Condition::Answers, |stuck| Condition::Stuck(stuck.since)),
                ..Slot::default()
            };
            let kept = before.remove(pattern).filter(|slot| !slot.is_of_another(mount));
            let mut slot = kept.unwrap_or_else(found);
            slot.recorded = recorded.is_some();
            if slot.asking.is_none() {
                self.queue.push_back(pattern.clone());
            }
            self.slots.insert(pattern.clone(), slot);
        }
        let all = document.all_stuck().map(|(pattern, _)| pattern);
        self.stale =
            all.filter(|pattern| !self.slots.contains_key(pattern)).map(Pattern::into_owned).collect();
        self.postponed = false;
    }

    /// Asks those whose turn it is, and hears those that were asked.
    pub(super) fn advance(&mut self, now: Instant, at: u64) -> Vec<(Pattern<'static>, Change)> {
        let deadline = self.deadline;
        let mut changes = Vec::new();
        for (pattern, slot) in &mut self.slots {
            changes.extend(slot.hear(now, at, deadline).map(|change| (pattern.clone(), change)));
        }
        self.ask(now);
        changes
    }

    fn ask(&mut self, now: Instant) {
        let mut waited_for = self.slots.values().filter(|slot| slot.is_waited_for()).count();
        while waited_for < AT_ONCE {
            let Some(pattern) = self.queue.pop_front() else { return };
            let Some(slot) = self.slots.get_mut(&pattern) else { continue };
            let mountpoint = pattern.path().to_path_buf();
            let question = move || match probe::touch(&mountpoint) {
                Ok(()) => Vec::new(),
                Err(error) => error.chain().into_bytes(),
            };
            // Without a process to be had there is no answer, and nothing is known: asked again in the next round.
            slot.asking = Probe::start(question).ok().map(|probe| (probe, now));
            waited_for += 1;
        }
    }

    /// Who is being waited for.
    pub(super) fn open(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.slots.values().filter_map(|slot| slot.asking.as_ref()).map(|(probe, _)| probe.as_fd())
    }

    /// When the next one will have to be called stuck.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let waited_for = self.slots.values().filter(|slot| slot.is_waited_for());
        waited_for.filter_map(|slot| Some(slot.asking.as_ref()?.1 + self.deadline)).min()
    }

    /// Whether recording has not just failed.
    pub(super) fn may_record(&self) -> bool {
        !self.postponed
    }

    /// What the registry doesn't say yet.
    pub(super) fn to_record(&self) -> Vec<(Pattern<'static>, Option<Stuck>)> {
        let changed = self.slots.iter().filter(|(_, slot)| slot.stuck().is_some() != slot.recorded);
        let changed = changed.map(|(pattern, slot)| (pattern.clone(), slot.stuck()));
        changed.chain(self.stale.iter().map(|pattern| (pattern.clone(), None))).collect()
    }

    pub(super) fn recorded(&mut self, successfully: bool) {
        self.postponed = !successfully;
        if successfully {
            self.stale.clear();
            for slot in self.slots.values_mut() {
                slot.recorded = slot.stuck().is_some();
            }
        }
    }

    /// Calls nothing stuck any more.
    pub(super) fn withdraw(&mut self) {
        for slot in self.slots.values_mut() {
            slot.condition = Condition::Answers;
        }
    }
}

impl Slot {
    /// Whether it asks another mount. Told by the id, even by one that comes again after an unmount (before Linux 6.8): it
    /// is not free as long as somebody hangs in that mount.
    fn is_of_another(&self, mount: Option<u64>) -> bool {
        self.mount.is_some() && mount.is_some() && self.mount != mount
    }

    fn stuck(&self) -> Option<Stuck> {
        match self.condition {
            Condition::Stuck(since) => Some(Stuck { since }),
            Condition::Answers | Condition::Failing => None,
        }
    }

    /// Whether there may still be an answer in time.
    fn is_waited_for(&self) -> bool {
        self.asking.is_some() && self.stuck().is_none()
    }

    fn hear(&mut self, now: Instant, at: u64, deadline: Duration) -> Option<Change> {
        let (probe, since) = self.asking.as_mut()?;
        let (progress, since) = (probe.take(), *since);
        let answer = match progress {
            Progress::Answered(answer) => answer,
            Progress::Silent if self.stuck().is_some() || now.saturating_duration_since(since) < deadline => {
                return None;
            }
            Progress::Silent => return self.turn(Condition::Stuck(Some(at)), Change::Stuck),
            // Killed by somebody: nothing is known, and it is asked again in the next round.
            Progress::Failed => {
                self.asking = None;
                return None;
            }
        };
        self.asking = None;
        if answer.is_empty() {
            return self.turn(Condition::Answers, Change::Answers);
        }
        let error = String::from_utf8_lossy(&answer).into_owned();
        self.turn(Condition::Failing, Change::Failing(error))
    }

    fn turn(&mut self, condition: Condition, change: Change) -> Option<Change> {
        let changed = std::mem::discriminant(&self.condition) != std::mem::discriminant(&condition);
        self.condition = condition;
        changed.then_some(change)
    }
}
