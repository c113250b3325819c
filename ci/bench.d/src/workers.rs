//! Questions asked by processes of their own: for contention, memory and counts of instructions.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::place::open;
use crate::question;
use crate::repeat::time_of;

/// First argument of a process that is a worker.
pub(crate) const WORKER: &str = "--worker";

/// The question of a worker that asks none.
pub(crate) const NOTHING: &str = "nothing";

/// What a worker is told on a line of its input; it answers with a number on one of its output.
pub(crate) enum Order {
    /// Ask so often; the answer means nothing.
    Times(u64),
    /// Ask for so long; the answer is how often.
    For(Duration),
    /// Say how many bytes of memory are its own.
    Memory,
}

/// A worker, which has asked a few times when it is there.
pub(crate) struct Worker {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// One that asks a question, see [`question::question`].
    pub(crate) fn start(question: &str) -> Self {
        let mut process =
            worker(question).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start a worker");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let mut worker = Worker { process, input, output };
        worker.ask(&Order::Times(1));
        worker
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().expect("a process id"))
    }

    pub(crate) fn tell(&mut self, order: &Order) {
        let line = match order {
            Order::Times(count) => format!("times {count}\n"),
            Order::For(span) => format!("for {}\n", span.as_millis()),
            Order::Memory => "memory 0\n".to_owned(),
        };
        let input = self.input.as_mut().expect("open until it is dropped");
        input.write_all(line.as_bytes()).expect("tell a worker");
    }

    pub(crate) fn hear(&mut self) -> u64 {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("hear a worker");
        line.trim().parse().unwrap_or_else(|_| panic!("a worker said {line:?}"))
    }

    pub(crate) fn ask(&mut self, order: &Order) -> u64 {
        self.tell(order);
        self.hear()
    }
}

/// The command that is one.
pub(crate) fn worker(question: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([WORKER, question]);
    command
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.input.take());
        self.process.wait().ok();
    }
}

/// Runs a worker until its input ends.
pub(crate) fn work(question: &str) {
    let mounts = (question != NOTHING).then(open);
    let mut ask: Box<dyn FnMut()> = match &mounts {
        Some(mounts) => question::question(question, mounts),
        None => Box::new(|| ()),
    };
    (0..20).for_each(|_| ask());
    for line in std::io::stdin().lines() {
        let line = line.expect("an order");
        let (verb, number) = line.split_once(' ').unwrap_or(("time", &line));
        let number = number.parse().expect("a number");
        match verb {
            // As the programs in C do.
            "time" => answer(time_of(number, &mut ask).as_nanos().try_into().expect("less than centuries")),
            "times" => {
                (0..number).for_each(|_| ask());
                answer(number);
            }
            "for" => answer(repeat_for(Duration::from_millis(number), &mut ask)),
            "memory" => answer(private_memory()),
            _ => panic!("no such order: {line:?}"),
        }
    }
}

fn repeat_for(span: Duration, ask: &mut dyn FnMut()) -> u64 {
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < span {
        (0..100).for_each(|_| ask());
        count += 100;
    }
    count
}

fn private_memory() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("what this process uses");
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() * 1024
}

#[expect(clippy::print_stdout, reason = "how a worker tells what it measured")]
fn answer(value: u64) {
    println!("{value}");
}
