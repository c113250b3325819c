//! What a run came to: a row of a table, and all that needs a closer look.
#![expect(clippy::print_stdout, reason = "the harness shows it when the test fails, or with --nocapture")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use crate::after::{Wrong, strays};
use crate::crash::{Crash, crashes};
use crate::run::Known;
use crate::site::Site;
use crate::tally::Counts;
use crate::weather::Umount;

/// How many of a kind are shown; all of them are in the files.
const SHOWN: usize = 20;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) accepted: usize,
    pub(crate) absences: usize,
    pub(crate) refusals: usize,
    /// With nothing away that would explain them.
    pub(crate) false_refusals: Vec<String>,
    /// Answers that denied the existence of something.
    pub(crate) denials: usize,
    pub(crate) wrong: Wrong,
    /// In sealed bare directories, and in the others.
    pub(crate) strays: [Vec<String>; 2],
    pub(crate) crashes: Vec<Crash>,
}

impl Outcome {
    /// Looks at all of it, with everything mounted again, and keeps what it came to for `ci/soak`.
    pub(crate) fn of(site: &Site, umount: Umount, known: &Known) -> Outcome {
        assert!(site.dovecot.await_quiet(), "sessions don't end: {}", site.dovecot.log());
        let log = site.dovecot.log();
        // This counts what can't be read, too.
        let wrong = Wrong::find(site, known);
        let mut counts = site.tally.counts();
        counts.transcript.sort();
        let false_refusals = counts.false_refusals(|user, mountpoint| site.concerns(user, mountpoint));
        let outcome = Outcome {
            accepted: known.iter().map(|(_, ledger)| ledger.accepted).sum(),
            absences: counts.absences.len(),
            refusals: counts.refusals.len(),
            false_refusals: false_refusals.iter().map(ToString::to_string).collect(),
            denials: counts.denials_and_errors().0,
            wrong,
            strays: strays(site),
            crashes: crashes(&log),
        };
        let name = format!("{}-{umount:?}-{:?}", site.format.name(), site.guard).to_lowercase();
        let row = outcome.row(site, umount, &counts);
        keep(&name, "row", &row);
        keep(&name, "crashes", &outcome.backtraces());
        keep(&name, "log", &log);
        keep(&name, "transcript", &counts.transcript.join("\n"));
        keep(&name, "details", &outcome.details(&counts, usize::MAX));
        show(&format!("{name}\n{row}{}{}", outcome.details(&counts, SHOWN), outcome.backtraces()));
        outcome
    }

    /// As `ci/soak` heads it.
    fn row(&self, site: &Site, umount: Umount, counts: &Counts) -> String {
        let (how, plain, lazy) = match umount {
            Umount::Plain => ("`umount`", format!("{} / {}", self.absences, counts.busy), "–".to_owned()),
            Umount::Lazy => ("`umount -l`", "–".to_owned(), self.absences.to_string()),
        };
        let guard = site.guard.name();
        let ours = self.crashes.iter().filter(|crash| crash.is_ours()).count();
        let numbers = [
            self.refusals,
            self.false_refusals.len(),
            self.denials,
            counts.denials_and_errors().1,
            self.wrong.lost.len(),
            self.wrong.changed.len(),
            self.strays[0].len(),
            self.strays[1].len(),
            ours,
            self.crashes.len() - ours,
        ];
        let numbers = numbers.map(|number| number.to_string()).join(" | ");
        let (format, sessions) = (site.format.name(), site.scale.sessions);
        let (commands, accepted) = (counts.commands, self.accepted);
        format!(
            "| {format} | {how} | {guard} | {sessions} | {commands} | {accepted} | {plain} | {lazy} | {numbers} |\n"
        )
    }

    fn details(&self, counts: &Counts, shown: usize) -> String {
        let mut text = String::new();
        let lists = [
            ("refused without a reason", &self.false_refusals),
            ("lost", &self.wrong.lost),
            ("changed", &self.wrong.changed),
            ("underneath, though sealed", &self.strays[0]),
            ("underneath", &self.strays[1]),
        ];
        for (title, list) in lists {
            for line in list.iter().take(shown) {
                let _ = writeln!(text, "{title}: {line}");
            }
        }
        for (failure, times) in &counts.failures {
            let _ = writeln!(text, "{times} times {failure}");
        }
        text
    }

    /// Each kind of crash with the backtrace of one, and how often it happened.
    fn backtraces(&self) -> String {
        let mut kinds: BTreeMap<_, (usize, &Crash)> = BTreeMap::new();
        for crash in &self.crashes {
            kinds.entry(crash.kind()).or_insert((0, crash)).0 += 1;
        }
        let mut text = String::new();
        for (times, crash) in kinds.values() {
            let whose = if crash.is_ours() { "ours" } else { "Dovecot's" };
            let _ = writeln!(text, "{times} times, {whose}: {}", crash.what);
            for frame in &crash.frames {
                let _ = writeln!(text, "    {frame}");
            }
        }
        text
    }
}

/// Keeps something for `ci/soak`, and for a closer look.
pub(crate) fn keep(name: &str, extension: &str, text: &str) {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("soak");
    fs::create_dir_all(&directory).expect("a directory for results");
    fs::write(directory.join(format!("{name}.{extension}")), text).expect("results");
}

/// Prints something for whoever runs the test.
pub(crate) fn show(text: &str) {
    println!("{text}");
}
