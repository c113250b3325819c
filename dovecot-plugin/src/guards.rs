//! The guards of this process and the permits they gave out.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use crate::judge::{Judge, Manner, Permit, Refused};
use crate::permitted::{BELIEVED, NOTHING_REGISTERED};
use crate::said::Said;
use crate::settings::Settings;
use crate::words;
use mount_core::{Operation, Outside, Refusal};

/// What is to be answered to C.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) permitted: bool,
    /// What pins the mounts, 0 when nothing does.
    pub(crate) permit: u64,
    /// The number of the epoch that a question was answered in, 0 when nobody could tell.
    pub(crate) epoch: u64,
    /// The assurance with which it was permitted, 0 when it was not.
    pub(crate) assurance: u64,
    pub(crate) client: String,
    /// Empty when it was logged before.
    pub(crate) log: String,
}

impl Answer {
    fn permitted() -> Answer {
        Answer { permitted: true, ..Answer::default() }
    }
}

struct Guard {
    settings: Settings,
    judge: Judge,
    said: Said,
}

struct Pinned {
    guard: usize,
    permit: Permit,
    since: Instant,
    /// The turn of the event loop in which it was last seen to hold.
    seen: u64,
}

impl Pinned {
    /// Whether all that is pinned is still mounted where it was, at the price of one `poll` while no mount table changes.
    ///
    /// That does not see a directory above that was renamed, and while the mounts are held nobody does that by accident.
    /// What takes so long that it could be done on purpose is looked at properly.
    fn verify(&self) -> Result<(), Refusal> {
        if self.since.elapsed() < BELIEVED && self.permit.is_undisturbed() {
            return Ok(());
        }
        self.permit.verify()
    }
}

/// All guards, by the number that C knows them by, and all permits in force.
#[derive(Default)]
pub(crate) struct Guards {
    guards: Vec<Guard>,
    /// What there was before the process changed its root, if it does.
    outside: Option<Outside>,
    pinned: HashMap<u64, Pinned>,
    last_permit: u64,
}

impl Guards {
    /// Keeps what a process needs that is going to change its root.
    pub(crate) fn keep_outside(&mut self, outside: Option<Outside>) {
        self.outside = outside;
    }

    /// The number of the guard with these settings, from 1. Users with the same settings share one.
    pub(crate) fn open(&mut self, settings: Settings) -> u32 {
        let known = self.guards.iter().position(|guard| guard.settings == settings);
        let index = known.unwrap_or_else(|| {
            let judge = Judge::new(settings.source.clone(), self.outside.clone());
            self.guards.push(Guard { settings, judge, said: Said::default() });
            self.guards.len() - 1
        });
        u32::try_from(index + 1).unwrap_or(0)
    }

    /// Whether the paths may be used. `turn` names the turn of the event loop.
    pub(crate) fn ask(
        &mut self,
        number: u32,
        turn: u64,
        operation: Operation,
        paths: &[&Path],
        manner: Manner,
    ) -> Answer {
        let index = (number as usize).wrapping_sub(1);
        let Some(guard) = self.guards.get_mut(index) else {
            return refuse_unknown();
        };
        let outcome = if manner.pin {
            guard.judge.authorize(turn, operation, paths).map(Some)
        } else {
            guard.judge.verdict(turn, operation, paths).map(|()| None)
        };
        let (epoch, assurance) = (guard.judge.epoch(), guard.judge.assured());
        match outcome {
            Err(refused) => Answer { epoch, ..guard.refuse(&refused, manner) },
            Ok(permit) => {
                // The empty path is what a refusal without a mountpoint was remembered by.
                guard.said.permitted(Path::new(""), operation);
                paths.iter().for_each(|path| guard.said.permitted(path, operation));
                Answer { permit: self.keep(index, turn, permit), epoch, assurance, ..Answer::permitted() }
            }
        }
    }

    /// What may be relied on in this turn; 0 where everything is to be asked. See [`Judge::assurance`].
    pub(crate) fn assurance(&mut self, number: u32, turn: u64, now: bool) -> u64 {
        let Some(guard) = self.guards.get_mut((number as usize).wrapping_sub(1)) else { return 0 };
        let assurance = guard.judge.assurance(turn, now);
        if assurance == NOTHING_REGISTERED {
            guard.said.all_permitted();
        }
        assurance
    }

    /// Tells root that a store lies in this directory.
    pub(crate) fn tell(&mut self, number: u32, turn: u64, path: &Path) {
        if let Some(guard) = self.guards.get_mut((number as usize).wrapping_sub(1)) {
            guard.judge.tell(turn, path);
        }
    }

    fn keep(&mut self, guard: usize, turn: u64, permit: Option<Permit>) -> u64 {
        let Some(permit) = permit else { return 0 };
        self.last_permit += 1;
        let pinned = Pinned { guard, permit, since: Instant::now(), seen: turn };
        self.pinned.insert(self.last_permit, pinned);
        self.last_permit
    }

    /// Whether what the permit pinned is still mounted where it was, so that more may be done by it; looked at once a
    /// turn, and when `now` is asked for.
    pub(crate) fn still(&mut self, permit: u64, turn: u64, now: bool) -> Answer {
        let Some(pinned) = self.pinned.get_mut(&permit) else {
            return refuse_unknown();
        };
        if pinned.seen == turn && !now {
            return Answer::permitted();
        }
        pinned.seen = turn;
        let (outcome, guard) = (pinned.verify(), pinned.guard);
        self.answer(guard, outcome)
    }

    /// Whether what the permit pinned is still mounted where it was; the permit ends here.
    pub(crate) fn verify(&mut self, permit: u64) -> Answer {
        let Some(pinned) = self.pinned.remove(&permit) else {
            return refuse_unknown();
        };
        self.answer(pinned.guard, pinned.verify())
    }

    /// Ends a permit of which nobody is to be told anything.
    pub(crate) fn release(&mut self, permit: u64) {
        self.pinned.remove(&permit);
    }

    fn answer(&mut self, guard: usize, outcome: Result<(), Refusal>) -> Answer {
        match (outcome, self.guards.get_mut(guard)) {
            (Ok(()), _) => Answer::permitted(),
            (Err(refusal), Some(guard)) => guard.refuse(&refusal.into(), Manner::default()),
            (Err(_), None) => refuse_unknown(),
        }
    }
}

impl Guard {
    fn refuse(&mut self, refused: &Refused, manner: Manner) -> Answer {
        // Where nothing is refused, a precaution that is not taken is what would have been.
        let silent = manner.quiet && !self.settings.log_only;
        let news = !silent && self.said.is_news(&refused.path, &refused.mountpoint, refused.reason);
        Answer {
            permitted: self.settings.log_only,
            permit: 0,
            epoch: 0,
            assurance: 0,
            client: words::for_client(refused.state, self.settings.message.as_deref()),
            log: if news { refused.line.clone() } else { String::new() },
        }
    }
}

/// The answer to a question that no guard can be asked.
pub(crate) fn refuse_unknown() -> Answer {
    let log = "refused: the plugin asked a question that makes no sense".to_owned();
    Answer { client: words::for_client(None, None), log, ..Answer::default() }
}
