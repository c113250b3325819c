//! What a change of the registry costs beside writing a file of that size.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use mount_core::State;
use mount_core::registry::{Pattern, Store};

use crate::contest::Ratio;
use crate::place::{directories, online, tenant};

const ROUNDS: usize = 11;

/// Add, state change and remove, as multiples of writing and fsyncing as many bytes to the same disk.
pub(crate) fn compare() -> [(&'static str, Ratio); 3] {
    let store = Store::new(directories());
    let bytes = std::fs::read(directories().persistent()).expect("the registry");
    let path = tenant(999_999);
    let pattern = || Pattern::parse(&path).expect("a path to register").into_owned();
    let mut samples = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let mut time = |at: usize, work: &mut dyn FnMut()| {
            let plain = seconds(&mut || write_plainly(&bytes));
            samples[at].push(seconds(work) / plain);
        };
        time(0, &mut || assert!(store.update(|list| list.insert(online(&path))).is_ok(), "add"));
        time(1, &mut || {
            assert!(store.update(|list| list.set_state(&pattern(), State::Offline)).is_ok(), "state")
        });
        time(2, &mut || assert!(store.update(|list| list.forget(&pattern())).is_ok(), "remove"));
    }
    let [add, state, remove] = samples.map(Ratio::of);
    [("add", add), ("state", state), ("remove", remove)]
}

fn write_plainly(bytes: &[u8]) {
    let mut file = File::create(directories().state.join("plain")).expect("a file");
    file.write_all(bytes).expect("write");
    file.sync_all().expect("fsync");
}

fn seconds(work: &mut dyn FnMut()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}
