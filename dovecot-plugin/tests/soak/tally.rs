//! What was asked, refused and broken in a run, as all its clients count together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::clock::Clock;

/// A time during which something was so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Span {
    pub(crate) fn until_now(from: Instant) -> Span {
        Span { from, to: Instant::now() }
    }

    fn overlaps(self, other: Span) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// A refusal for now.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) user: usize,
    /// From the command to its answer.
    pub(crate) span: Span,
    pub(crate) what: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "u{} {}", self.user, self.what)
    }
}

/// A filesystem that was away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Absence {
    pub(crate) mountpoint: usize,
    /// From before its unmounting to after its mounting.
    pub(crate) span: Span,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commands: usize,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) absences: Vec<Absence>,
    /// How often `umount` said that it is busy.
    pub(crate) busy: usize,
    /// Answers that are neither done nor refused for now, and connections that broke: how often each.
    pub(crate) failures: BTreeMap<String, usize>,
    /// All that was said and done, a line each, with its times.
    pub(crate) transcript: Vec<String>,
}

/// What answers say that deny the existence of something; here everything exists that is asked for.
const DENIALS: [&str; 6] = [
    "[TRYCREATE]",
    "[NONEXISTENT]",
    "doesn't exist",
    "deleted under us",
    "without the mail",
    "another UIDVALIDITY",
];

impl Counts {
    /// How many answers denied that something exists, and how many were failures of another kind.
    pub(crate) fn denials_and_errors(&self) -> (usize, usize) {
        let denies = |what: &str| DENIALS.iter().any(|words| what.contains(words));
        self.failures.iter().fold((0, 0), |(denials, errors), (what, times)| {
            if denies(what) { (denials + times, errors) } else { (denials, errors + times) }
        })
    }

    /// The refusals during which none of the mountpoints that the user's mail is on was away.
    pub(crate) fn false_refusals(&self, concerns: impl Fn(usize, usize) -> bool) -> Vec<&Refusal> {
        let excused = |refusal: &Refusal| {
            let mut absences = self.absences.iter();
            absences.any(|absence| {
                concerns(refusal.user, absence.mountpoint) && refusal.span.overlaps(absence.span)
            })
        };
        self.refusals.iter().filter(|refusal| !excused(refusal)).collect()
    }
}

/// The counts, for many threads.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

impl Tally {
    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that took place from a time until now.
    pub(crate) fn say(&self, clock: &Clock, from: Instant, what: &str) {
        let [from, to] = [from, Instant::now()].map(|at| clock.name(at));
        self.counts().transcript.push(format!("{from}-{to} {what}"));
    }

    /// The same, of a command.
    pub(crate) fn ask(&self, clock: &Clock, from: Instant, what: &str) {
        self.say(clock, from, what);
        self.counts().commands += 1;
    }

    /// An answer that is neither done nor refused for now, in words that the same kind of failure has in common.
    pub(crate) fn fail(&self, what: &str) {
        let without_numbers: String =
            what.chars().map(|letter| if letter.is_ascii_digit() { '#' } else { letter }).collect();
        *self.counts().failures.entry(without_numbers).or_default() += 1;
    }

    pub(crate) fn refuse(&self, user: usize, from: Instant, what: String) {
        self.counts().refusals.push(Refusal { user, span: Span::until_now(from), what });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn refusal_outside_of_an_absence_of_the_users_own_mountpoints_is_false() {
        let tally = Tally::default();
        let start = Instant::now();
        let span = |from, to| Span {
            from: start + Duration::from_millis(from),
            to: start + Duration::from_millis(to),
        };
        let refusal = |user, from, to| Refusal { user, span: span(from, to), what: format!("{from}") };
        tally.counts().absences.push(Absence { mountpoint: 1, span: span(10, 20) });
        tally.counts().refusals.extend([
            refusal(1, 15, 16),
            refusal(1, 5, 10),
            refusal(1, 21, 22),
            refusal(2, 15, 16),
        ]);
        let counts = tally.counts();
        let refusals = counts.false_refusals(|user, mountpoint| user == mountpoint);
        let said: Vec<_> = refusals.iter().map(|refusal| (refusal.user, refusal.what.as_str())).collect();
        assert_eq!(said, [(1, "21"), (2, "15")]);
    }
}
