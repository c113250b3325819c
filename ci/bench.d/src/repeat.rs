//! Ways to repeat something, and the clock of each.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};

use crate::contest::{Contestant, Repeat};

/// How many processes ask one question.
const PROCESSES: usize = 7;

/// So many of the repetitions of a turn precede it, unmeasured: caches are cold after whatever ran before. The programs
/// do the same.
pub(crate) const WARM_UP: u64 = 8;

/// Something done by this thread.
pub(crate) fn in_process<'a>(name: &'static str, mut work: impl FnMut() + 'a) -> Contestant<'a> {
    let repeat = move |count| time_of(count, &mut work);
    Contestant { name, repeat: Box::new(repeat) }
}

/// The processor time of this thread for so many repetitions.
pub(crate) fn time_of(count: u64, mut work: impl FnMut()) -> Duration {
    (0..count / WARM_UP).for_each(|_| work());
    let begun = thread_time();
    (0..count).for_each(|_| work());
    thread_time() - begun
}

/// A command run once for each question: the processor time of all its processes, from exec to exit.
pub(crate) fn command<'a>(name: &'static str, mut command: impl FnMut() -> Command + 'a) -> Contestant<'a> {
    let repeat = move |count| {
        let begun = children_time();
        for _ in 0..count {
            let status = command().stdout(Stdio::null()).status().expect("start the command");
            assert!(status.success(), "{name}: {status}");
        }
        children_time() - begun
    };
    Contestant { name, repeat: Box::new(repeat) }
}

/// Programs that repeat as often as they are told to, one after the other.
///
/// How well a processor foresees where a program goes on, after a system call above all, depends on where in memory the
/// program happens to lie, which is another place in each process.
pub(crate) fn coprocesses<'a>(command: impl Fn() -> Command) -> Repeat<'a> {
    let mut all: Vec<Coprocess> = (0..PROCESSES).map(|_| Coprocess::start(command())).collect();
    let mut turn = 0;
    Box::new(move |count| {
        turn = (turn + 1) % PROCESSES;
        all[turn].repeat(count)
    })
}

struct Coprocess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Coprocess {
    fn start(mut command: Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("start the program");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Coprocess { child, input, output }
    }

    fn repeat(&mut self, count: u64) -> Duration {
        let input = self.input.as_mut().expect("open until it is dropped");
        writeln!(input, "{count}").expect("tell the program");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("hear the program");
        Duration::from_nanos(line.trim().parse().expect("the time it took"))
    }
}

impl Drop for Coprocess {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.wait().ok();
    }
}

pub(crate) fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the clock of this thread").into()
}

fn children_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the usage of children");
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(microseconds.unsigned_abs())
}
