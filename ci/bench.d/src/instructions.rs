//! Instructions of the hot paths, which tell of a slow-down without a quiet machine.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::steps;
use crate::workers::{Order, WORKER, Worker};

const QUESTIONS: [&str; 3] = ["presence", "verdict", "permit"];

/// Instructions in user space for one question.
#[derive(Serialize, Deserialize)]
pub(crate) struct Instructions {
    pub question: String,
    /// Counted step by step, on this kernel.
    pub exact: u64,
    /// By callgrind, on its own one; `None` where it is not installed.
    pub callgrind: Option<u64>,
    /// What `exact` was before.
    pub recorded: Option<u64>,
}

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recorded = self.recorded.map_or_else(|| "none".to_owned(), |count| count.to_string());
        write!(f, "{}: {} instructions, recorded before: {recorded}", self.question, self.exact)
    }
}

pub(crate) fn measure(scratch: &Path, before: &[Instructions]) -> Vec<Instructions> {
    let measure = |question: &str| Instructions {
        question: question.to_owned(),
        exact: exact(question),
        callgrind: by_callgrind(question, scratch),
        recorded: before.iter().find(|before| before.question == question).map(|before| before.exact),
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
