//! One cell: an action while a filesystem is away, and what it came to.

use std::collections::BTreeSet;
use std::io;

use fixtures::dovecot::{Guard, Truth, underneath};

use crate::effect;
use crate::plan::{Action, Away, When, goes_on};
use crate::scene::Scene;
use crate::setup::Setup;
use crate::site::{Site, USER};

/// The verdicts that a cell may lack:
/// lost, something is not as before or not as promised;
/// denied, an answer showed less than the truth;
/// underneath, something was created in the bare directory;
/// broken, a process died or left its client without a word;
/// stopped, something that was to go on didn't.
const VERDICTS: [char; 5] = ['L', 'D', 'U', 'X', 'S'];

/// What came out of one cell.
pub(crate) struct Cell {
    pub(crate) away: Away,
    pub(crate) when: When,
    pub(crate) action: &'static str,
    /// The letters of the verdicts that it lacks.
    pub(crate) lacks: String,
    /// For each of them what was seen.
    pub(crate) why: Vec<String>,
    pub(crate) transcript: String,
}

impl Cell {
    /// How a cell is called in messages, and found by `MOUNTGUARD_MATRIX`.
    pub(crate) fn name(setup: Setup, away: Away, when: When, action: &str) -> String {
        format!("{} {} {} {action}", setup.name(), away.name(), when.name())
    }

    /// Runs one cell, from a fresh store to the last look at it.
    pub(crate) fn run(site: &Site, away: Away, when: When, action: &Action) -> Cell {
        site.restore(away);
        let logged = site.dovecot.log().len();
        let bare =
            || site.mountpoint(away).map(|at| underneath(at).expect("look underneath")).unwrap_or_default();
        let shadow = bare();
        let mut scene = Scene::new(site);
        act(&mut scene, away, when, action);
        let beneath = bare();
        let strays = beneath.iter().filter(|path| !shadow.contains(path));
        let strays = strays.chain(shadow.iter().filter(|path| !beneath.contains(path)));
        let strays = strays.map(|path| path.display().to_string()).collect();
        let lost = lost(&scene, action);
        let log = site.dovecot.log().split_off(logged);
        scene.note("", format!("-- log:\n{log}"));

        let stopped = stopped(&scene, away, action);
        let crashed = |line: &&str| line.contains("Panic:") || line.contains("killed with signal");
        scene.crashes.extend(log.lines().filter(crashed).map(str::to_owned));
        let found = [lost, scene.denials, strays, scene.crashes, stopped];
        let lacking: Vec<_> = VERDICTS.iter().zip(&found).filter(|(_, found)| !found.is_empty()).collect();
        Cell {
            away,
            when,
            action: action.name,
            lacks: lacking.iter().map(|(letter, _)| **letter).collect(),
            why: lacking.iter().map(|(letter, found)| format!("{letter}: {}", found.join("; "))).collect(),
            transcript: scene.transcript,
        }
    }
}

/// From the beginning of the session to its end, after which the filesystem is back.
fn act(scene: &mut Scene<'_>, away: Away, when: When, action: &Action) {
    let site = scene.site;
    if when != When::Before {
        scene.begin(action.session, when == When::Reading);
    }
    site.take_away(away);
    scene.note("", format!("-- {} is away", away.name()));
    (action.run)(scene);
    if when == When::Before {
        scene.leave();
        site.await_quiet();
    }
    site.bring_back(away);
    scene.look_again();
    scene.leave();
    site.await_quiet();
}

fn lost(scene: &Scene<'_>, action: &Action) -> Vec<String> {
    let mut lost = match recovered(scene.site) {
        Ok(after) => effect::lost(&scene.site.before, &after, &scene.asked),
        Err(error) => vec![format!("what is there can't be read: {error}")],
    };
    lost.extend(lost_in_replica(scene.site, action));
    lost
}

/// Where the action was to go on and didn't. The stock server is asked only with all filesystems there.
fn stopped(scene: &Scene<'_>, away: Away, action: &Action) -> Vec<String> {
    if scene.site.guard == Guard::Stock && away != Away::Nothing {
        return Vec::new();
    }
    let format = scene.site.setup.format;
    let stopped = scene.stopped.iter();
    let stopped =
        stopped.filter(|places| places.iter().all(|place| goes_on(format, away, action.name, *place)));
    stopped.map(|places| format!("{places:?}")).collect()
}

/// What the user has once the filesystem is back.
///
/// A stock server may end the first session with `BYE` and rebuild at its end, so it is asked again.
pub(crate) fn recovered(site: &Site) -> io::Result<Truth> {
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
