//! What happens when the mount table changes: how soon a verdict is right, and whether one is ever wrong in a storm.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mount_core::{Mounts, Operation};
use serde::{Deserialize, Serialize};

use crate::contest::{Ratio, Yardstick};
use crate::place::{changing, mount_tmpfs, open, unmount};

const CHANGES: usize = 50;
const STORM: Duration = Duration::from_secs(3);
const PACE: Duration = Duration::from_millis(1);

/// The first verdict after a change, which is always right.
#[derive(Serialize, Deserialize)]
pub(crate) struct FirstVerdict {
    pub microseconds: f64,
    pub ratio: Ratio,
}

/// How long the first verdict after a change takes.
///
/// # Panics
/// When it is wrong.
pub(crate) fn first_verdict(mounts: &Mounts, yardstick: &mut Yardstick<'_>) -> FirstVerdict {
    let (mut times, mut ratios) = (Vec::new(), Vec::new());
    for change in 0..CHANGES {
        let is_mounted = change % 2 == 1;
        if is_mounted {
            mount_tmpfs(&changing())
        } else {
            unmount(&changing())
        }
        let begun = Instant::now();
        let verdict = mounts.verdict(Operation::Create, &changing().join("new"));
        let took = begun.elapsed().as_nanos() as f64;
        assert_eq!(verdict.is_ok(), is_mounted, "the first verdict after a change");
        times.push(took / 1000.0);
        ratios.push(took / yardstick.measure());
    }
    FirstVerdict { microseconds: Ratio::of(times).median, ratio: Ratio::of(ratios) }
}

/// What came of a storm.
#[derive(Serialize, Deserialize)]
pub(crate) struct Storm {
    pub changes_a_second: f64,
    pub verdicts_a_second: f64,
    /// Time from one verdict to the next, as a multiple of the yardstick.
    pub ratio: f64,
    /// Verdicts during which nothing changed, so that the truth is known.
    pub compared: u64,
    pub wrong: u64,
}

/// Mounts and unmounts as often as it should, while another thread asks.
pub(crate) fn storm(yardstick: &mut Yardstick<'_>) -> Storm {
    let before = yardstick.measure();
    let storm = mount_and_ask();
    let ratio = 1e9 / storm.verdicts_a_second / f64::midpoint(before, yardstick.measure());
    Storm { ratio, ..storm }
}

fn mount_and_ask() -> Storm {
    // Even: nothing is being changed. Twice even: mounted.
    let sequence = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&sequence, &done));
        let begun = Instant::now();
        let mut due = begun;
        while begun.elapsed() < STORM {
            sequence.fetch_add(1, Ordering::SeqCst);
            if sequence.load(Ordering::SeqCst) % 4 == 1 {
                unmount(&changing())
            } else {
                mount_tmpfs(&changing())
            }
            sequence.fetch_add(1, Ordering::SeqCst);
            due += PACE;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let took = begun.elapsed().as_secs_f64();
        let changes = sequence.load(Ordering::SeqCst) / 2;
        if changes % 2 == 1 {
            mount_tmpfs(&changing());
        }
        done.store(true, Ordering::SeqCst);
        let (asked, compared, wrong) = asking.join().expect("the asking thread");
        Storm {
            changes_a_second: changes as f64 / took,
            verdicts_a_second: asked as f64 / took,
            ratio: 0.0,
            compared,
            wrong,
        }
    })
}

/// How many were asked, how many could be compared with the truth, and how many were wrong.
fn ask(sequence: &AtomicU64, done: &AtomicBool) -> (u64, u64, u64) {
    let mounts = open();
    let path = changing().join("new");
    let (mut asked, mut compared, mut wrong) = (0, 0, 0);
    while !done.load(Ordering::SeqCst) {
        let before = sequence.load(Ordering::SeqCst);
        let permitted = mounts.verdict(Operation::Create, &path).is_ok();
        asked += 1;
        if before % 2 == 0 && sequence.load(Ordering::SeqCst) == before {
            compared += 1;
            wrong += u64::from(permitted != (before % 4 == 0));
        }
    }
    (asked, compared, wrong)
}
