//! Instructions of the hot paths, which tell of a slow-down without a quiet machine.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::steps;
use crate::workers::{Order, WORKER, Worker};

const QUESTIONS: [&str; 4] = ["presence", "verdict", "verdict, to be created", "permit"];

/// A compiler of another version alone makes a hundredth of a difference.
const SLOWER: f64 = 1.02;

/// Instructions in user space for one question.
#[derive(Serialize, Deserialize)]
pub(crate) struct Instructions {
    pub question: String,
    /// Counted step by step, on this kernel.
    pub exact: u64,
    /// By callgrind, on its own one; `None` where it is not installed.
    pub callgrind: Option<u64>,
    /// What `exact` was when it was last recorded.
    pub recorded: Option<u64>,
    /// The same for `callgrind`.
    #[serde(default)]
    pub recorded_callgrind: Option<u64>,
}

impl Instructions {
    /// Whether either count is more than was recorded.
    pub(crate) fn is_slower(&self) -> bool {
        let counts = [(Some(self.exact), self.recorded), (self.callgrind, self.recorded_callgrind)];
        counts.into_iter().any(|(now, before)| {
            now.zip(before).is_some_and(|(now, before)| now as f64 > before as f64 * SLOWER)
        })
    }
}

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |count: Option<u64>| count.map_or_else(|| "none".to_owned(), |count| count.to_string());
        let (recorded, callgrind) = (text(self.recorded), text(self.callgrind));
        write!(f, "{}: {} instructions (recorded: {recorded}), ", self.question, self.exact)?;
        write!(f, "{callgrind} by callgrind (recorded: {})", text(self.recorded_callgrind))?;
        if self.is_slower() { f.write_str(": SLOWER") } else { Ok(()) }
    }
}

/// Counts by question: step by step, and by callgrind.
pub(crate) type Recorded = BTreeMap<String, (u64, Option<u64>)>;

/// What was recorded last; nothing where nothing was.
pub(crate) fn recorded(file: &Path) -> Recorded {
    let Ok(json) = fs::read(file) else { return Recorded::new() };
    serde_json::from_slice(&json).unwrap_or_else(|error| panic!("read {file:?}: {error}"))
}

/// Records what was counted, for later counts to be compared with.
pub(crate) fn record(counted: &[Instructions], file: &Path) {
    let counts = |count: &Instructions| (count.question.clone(), (count.exact, count.callgrind));
    let recorded: Recorded = counted.iter().map(counts).collect();
    let json = serde_json::to_string_pretty(&recorded).expect("counts are JSON");
    fs::write(file, json + "\n").expect("record the counts");
}

pub(crate) fn measure(scratch: &Path, recorded: &Recorded) -> Vec<Instructions> {
    let measure = |question: &str| {
        let before = recorded.get(question);
        Instructions {
            question: question.to_owned(),
            exact: exact(question),
            callgrind: by_callgrind(question, scratch),
            recorded: before.map(|(exact, _)| *exact),
            recorded_callgrind: before.and_then(|(_, callgrind)| *callgrind),
        }
    };
    QUESTIONS.map(measure).into()
}

/// The median of some processes: each hashes paths by another key, so that one in ten looks at a line too many.
fn exact(question: &str) -> u64 {
    let mut counts = [(); 5].map(|()| exact_of_one(question));
    counts.sort_unstable();
    counts[2]
}

fn exact_of_one(question: &str) -> u64 {
    let mut worker = Worker::start(question);
    let mut counted = |times| {
        steps::count(worker.pid(), || {
            worker.ask(&Order::Times(times));
        })
    };
    // Hearing the order and answering it falls out.
    let few = counted(10);
    (counted(30) - few) / 20
}

fn by_callgrind(question: &str, scratch: &Path) -> Option<u64> {
    let counted = |times: u32| {
        let log = scratch.join("callgrind");
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", log.display()));
        command.arg(std::env::current_exe().expect("this program")).args([WORKER, question]);
        let orders = scratch.join("orders");
        fs::write(&orders, format!("times {times}\n")).expect("orders for a worker");
        let orders = fs::File::open(orders).expect("orders for a worker");
        let status = command.stdin(orders).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        assert!(status.success(), "valgrind: {status}");
        let text = fs::read_to_string(log).expect("what callgrind wrote");
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).expect("its totals");
        total.trim().parse::<u64>().ok()
    };
    Some((counted(2100)? - counted(1100)?) / 1000)
}
