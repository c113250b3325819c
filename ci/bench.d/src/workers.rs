//! Questions asked by processes of their own: for contention, memory and counts of instructions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mount_core::{Mounts, Operation};

use crate::place::{mail, open};

/// First argument of a process that is a worker.
pub(crate) const WORKER: &str = "--worker";

const SPAN: Duration = Duration::from_secs(1);

/// What a worker does, told by its arguments.
pub(crate) fn work(arguments: &[String]) {
    let bob = mail().join("bob");
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ask"] => report(verdicts_within(SPAN, &bob)),
        ["memory", "without"] => report(private_memory()),
        ["memory", "with"] => {
            let mounts = open();
            (0..20).for_each(|_| mounts.verdict(Operation::Open, &bob).expect("permitted"));
            report(private_memory());
        }
        ["count", question, times] => {
            let mounts = open();
            let times: u32 = times.parse().expect("a number");
            (0..times).for_each(|_| ask(question, &mounts, &bob));
        }
        _ => panic!("no such worker: {arguments:?}"),
    }
}

fn ask(question: &str, mounts: &Mounts, bob: &Path) {
    match question {
        "presence" => drop(mounts.presence(&mail())),
        "verdict" => mounts.verdict(Operation::Open, bob).expect("permitted"),
        "permit" => drop(mounts.authorize(Operation::Open, &[bob]).expect("permitted")),
        _ => panic!("no such question: {question}"),
    }
}

/// Verdicts in all, so many processes asking at once.
pub(crate) fn contend(processes: usize) -> f64 {
    let workers: Vec<Child> = (0..processes).map(|_| start(&["ask"])).collect();
    workers.into_iter().map(hear).sum::<f64>() / SPAN.as_secs_f64()
}

/// Bytes of memory that a process has more for itself once it has asked.
pub(crate) fn memory() -> f64 {
    hear(start(&["memory", "with"])) - hear(start(&["memory", "without"]))
}

/// Instructions in user space for one question, or `None` where valgrind is not installed.
pub(crate) fn instructions(question: &str, scratch: &Path) -> Option<u64> {
    let counted = |times: &str| {
        let log = scratch.join("callgrind");
        let status = Command::new("valgrind")
            .args(["--quiet", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", log.display()))
            .arg(this_program())
            .args([WORKER, "count", question, times])
            .stderr(Stdio::null())
            .status()
            .ok()?;
        assert!(status.success(), "valgrind: {status}");
        let text = fs::read_to_string(log).expect("what callgrind wrote");
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).expect("its totals");
        total.trim().parse::<u64>().ok()
    };
    Some((counted("2100")? - counted("1100")?) / 1000)
}

fn verdicts_within(span: Duration, path: &Path) -> f64 {
    let mounts = open();
    let begun = Instant::now();
    let mut count = 0_u32;
    while begun.elapsed() < span {
        (0..100).for_each(|_| mounts.verdict(Operation::Open, path).expect("permitted"));
        count += 100;
    }
    f64::from(count)
}

fn private_memory() -> f64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("what this process uses");
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    let kibibytes = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kibibytes.sum::<f64>() * 1024.0
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(this_program());
    command.arg(WORKER).args(arguments).stdout(Stdio::piped()).spawn().expect("start a worker")
}

fn hear(worker: Child) -> f64 {
    let output = worker.wait_with_output().expect("hear the worker");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("a worker said {text:?}"))
}

fn this_program() -> PathBuf {
    std::env::current_exe().expect("this program")
}

#[expect(clippy::print_stdout, reason = "how a worker tells what it measured")]
fn report(value: f64) {
    println!("{value}");
}
