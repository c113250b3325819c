//! What a change of the registry costs beside writing a file of that size, by the clock and in processor time.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use mount_core::State;
use mount_core::registry::{Pattern, Store};

use crate::contest::Ratio;
use crate::place::{directories, online, tenant};
use crate::repeat::thread_time;

const ROUNDS: usize = 101;

/// One measurement in seconds.
#[derive(Clone, Copy)]
struct Cost {
    clock: f64,
    processor: f64,
}

/// A change, and the two things it is compared with, as measured in one turn.
struct Turn {
    plain: Cost,
    bare: Cost,
    change: Cost,
}

/// What a registry cannot do without, and its cost, beside those of the changes.
pub(crate) const BARE: &str = "bare replacement of both files";

/// Add, state change and remove, by the clock, as multiples of writing and fsyncing as many bytes to the same disk; and
/// a bare replacement, which is no change of a registry.
///
/// Tells besides what a change is of the processor time of that.
pub(crate) fn compare() -> [(&'static str, Ratio); 4] {
    let store = Store::new(directories());
    let bytes = fs::read(directories().persistent()).expect("the registry");
    let path = tenant(999_999);
    let pattern = || Pattern::parse(&path).expect("a path to register").into_owned();
    let add = || assert!(store.update(|list| list.insert(online(&path))).is_ok(), "add");
    let state = || assert!(store.update(|list| list.set_state(&pattern(), State::Offline)).is_ok(), "state");
    let remove = || assert!(store.update(|list| list.forget(&pattern())).is_ok(), "remove");
    let changes: [(&str, &dyn Fn()); 3] = [("add", &add), ("state", &state), ("remove", &remove)];
    let mut turns = changes.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, change), turns) in changes.iter().zip(&mut turns) {
            let plain = cost(&|| write(&directories().state.join("plain"), &bytes));
            turns.push(Turn { plain, bare: cost(&|| replace_barely(&bytes)), change: cost(change) });
        }
    }
    let [add, state, remove] = std::array::from_fn(|at| (changes[at].0, ratio(changes[at].0, &turns[at])));
    let bare = turns.iter().flatten().map(|turn| turn.bare.clock / turn.plain.clock);
    [add, state, remove, (BARE, Ratio::of(bare.collect()))]
}

fn ratio(name: &str, turns: &[Turn]) -> Ratio {
    let of = |multiple: fn(&Turn) -> f64| Ratio::of(turns.iter().map(multiple).collect());
    let over_plain = of(|turn| turn.change.clock / turn.plain.clock);
    crate::progress(&format!(
        "{name}: by the clock {:.2} of a plain write and {:.2} of a bare replacement, which is {:.2}; \
         in processor time {:.2} and {:.2}",
        over_plain.median,
        of(|turn| turn.change.clock / turn.bare.clock).median,
        of(|turn| turn.bare.clock / turn.plain.clock).median,
        of(|turn| turn.change.processor / turn.plain.processor).median,
        of(|turn| turn.change.processor / turn.bare.processor).median,
    ));
    over_plain
}

/// Both files as a registry replaces them, of bytes that are there already: nothing is read, looked up or locked.
fn replace_barely(bytes: &[u8]) {
    for directory in [directories().state, directories().run] {
        let (temporary, file) = (directory.join("bare.tmp"), directory.join("bare"));
        write(&temporary, bytes);
        fs::rename(&temporary, &file).expect("rename");
        File::open(&directory).and_then(|directory| directory.sync_all()).expect("fsync the directory");
    }
}

fn write(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).expect("a file");
    file.write_all(bytes).expect("write");
    file.sync_all().expect("fsync");
}

fn cost(work: &dyn Fn()) -> Cost {
    let (clock, processor) = (Instant::now(), thread_time());
    work();
    Cost { clock: clock.elapsed().as_secs_f64(), processor: (thread_time() - processor).as_secs_f64() }
}
