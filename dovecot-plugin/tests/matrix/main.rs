//! The matrix: whatever is away and whatever is done meanwhile, nothing is lost, nothing is denied, and nothing
//! is left underneath. Without the plugin, much is.
//!
//! Each cell runs twice, with Debian's Dovecot and with the plugin in it. `plan.rs` has the whole matrix on a
//! page. `cargo test` runs a part in which every action meets every role in some format; `ci/matrix` runs all.
//! `MOUNTGUARD_MATRIX` is `all`, or words that a cell's name has to contain, to look into some.

mod commands;
mod delivery;
mod effect;
mod honest;
mod imap;
mod mbsync;
mod plan;
mod report;
mod scene;
mod site;

use std::collections::BTreeSet;

use fixtures::dovecot::{Format, Truth, underneath};
use fixtures::lab;

use plan::{ACTIONS, Action, Away, When};
use report::{Cell, Report};
use scene::Scene;
use site::{Guard, Site, USER};

/// One in so many cells is part of the covering subset; every action meets every role in some format then.
const SUBSET: usize = 8;

/// Which cells are run.
enum Scope {
    All,
    Covering,
    Named(Vec<String>),
}

impl Scope {
    fn from_environment() -> Scope {
        match std::env::var("MOUNTGUARD_MATRIX") {
            Err(_) => Scope::Covering,
            Ok(all) if all == "all" => Scope::All,
            Ok(words) => Scope::Named(words.split(' ').map(str::to_owned).collect()),
        }
    }

    /// The filesystems that are taken away under mbsync, which takes longer than a cell.
    fn outages(&self, format: Format) -> Vec<Away> {
        let shift = Format::ALL.iter().position(|other| *other == format).unwrap_or_default();
        let roles = Away::of(format).iter().enumerate().filter(|(_, away)| **away != Away::Nothing);
        let wanted = |row: usize, away: Away| match self {
            Scope::All => true,
            Scope::Covering => (row + shift) % 3 == 0,
            Scope::Named(words) => named(words, &format!("{} {} mbsync", format.name(), away.name())),
        };
        roles.filter(|(row, away)| wanted(*row, **away)).map(|(_, away)| *away).collect()
    }

    fn cells(&self, format: Format) -> Vec<(Away, When, &'static Action)> {
        let shift = Format::ALL.iter().position(|other| *other == format).unwrap_or_default();
        let mut cells = Vec::new();
        for (row, away) in Away::of(format).iter().enumerate() {
            for (late, when) in When::ALL.into_iter().enumerate() {
                for (column, action) in ACTIONS.iter().enumerate().filter(|(_, action)| when.concerns(action))
                {
                    let wanted = match self {
                        Scope::All => true,
                        Scope::Covering => (row + column + 2 * shift + late) % SUBSET == 0,
                        Scope::Named(words) => named(words, &Cell::name(format, *away, when, action.name)),
                    };
                    if wanted {
                        cells.push((*away, when, action));
                    }
                }
            }
        }
        cells
    }
}

fn named(words: &[String], name: &str) -> bool {
    words.iter().all(|word| name.split(' ').any(|part| part == word))
}

/// Runs one cell from a fresh store to the last look at it.
fn run(site: &Site, away: Away, when: When, action: &Action) -> Cell {
    site.restore(away);
    let logged = site.dovecot.log().len();
    let mut scene = Scene::new(site);
    if when != When::Before {
        scene.begin(action.session, when == When::Reading);
    }
    site.take_away(away);
    scene.note("", format!("-- {} is away", away.name()));
    (action.run)(&mut scene);
    if when == When::Before {
        scene.leave();
        site.await_quiet();
    }
    site.bring_back(away);
    scene.look_again();
    scene.leave();
    site.await_quiet();
    let strays = site.mountpoint(away).map(|at| underneath(at).expect("look underneath")).unwrap_or_default();
    let mut lost = match recovered(site) {
        Ok(after) => effect::lost(&site.before, &after, &scene.asked),
        Err(error) => vec![format!("what is there can't be read: {error}")],
    };
    lost.extend(lost_in_replica(site, action));
    let log = site.dovecot.log().split_off(logged);
    scene.note("", format!("-- log:\n{log}"));
    Cell::of(site, away, when, action, scene, lost, &strays, &log)
}

/// What the user has once the filesystem is back.
///
/// A stock server may end the first session with `BYE` and rebuild at its end, so it is asked again.
fn recovered(site: &Site) -> std::io::Result<Truth> {
    let ask = || Truth::of(&site.dovecot, USER);
    match site.guard {
        Guard::Stock => ask().or_else(|_| ask()).or_else(|_| ask()),
        Guard::Guarded => ask(),
    }
}

fn lost_in_replica(site: &Site, action: &Action) -> Vec<String> {
    if !matches!(action.name, "backup to" | "backup from" | "sync") {
        return Vec::new();
    }
    let now: BTreeSet<String> = site.replicated().into_iter().collect();
    let lost = site.replica_before.iter().filter(|line| !now.contains(*line));
    lost.map(|line| format!("replica lost {line:?}")).collect()
}

fn matrix(format: Format) {
    let scope = Scope::from_environment();
    let cells = scope.cells(format);
    if cells.is_empty() {
        return;
    }
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(guard.name(), |lab| {
            let report = Report::create(format, guard);
            let site = Site::start(lab, format, guard);
            for (away, when, action) in &cells {
                report.add(&run(&site, *away, *when, action));
            }
        });
    }
    report::judge(format);
    if !matches!(scope, Scope::Named(_)) {
        report::stock_has_lost(format);
    }
}

macro_rules! tests {
    ($($format:ident: $variant:ident,)*) => {
        $(mod $format {
            use fixtures::dovecot::Format;

            #[test]
            #[ignore = "needs root: real Dovecot"]
            fn is_lossless_honest_and_clean() {
                crate::matrix(Format::$variant);
            }

            #[test]
            #[ignore = "needs root: real Dovecot"]
            fn keeps_in_step_with_mbsync() {
                crate::mbsync::through_outages(Format::$variant);
            }
        })*
    };
}

// Tests of their own, so that they run side by side.
tests! {
    mdbox: Mdbox,
    sdbox: Sdbox,
    maildir: Maildir,
    maildir_fs: MaildirFs,
    mbox: Mbox,
}
