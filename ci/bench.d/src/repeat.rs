//! Ways to repeat something, and the clock of each.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};

use crate::contest::{Contestant, Repeat};

/// Something done by this thread.
pub(crate) fn in_process<'a>(name: &'static str, mut work: impl FnMut() + 'a) -> Contestant<'a> {
    let repeat = move |count| {
        let begun = thread_time();
        for _ in 0..count {
            work();
        }
        thread_time() - begun
    };
    Contestant { name, repeat: Box::new(repeat) }
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

/// A program that repeats as often as it is told to.
pub(crate) fn coprocess<'a>(mut command: Command) -> Repeat<'a> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start the program");
    let input = child.stdin.take().expect("its input");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let mut process = Coprocess { child, input: Some(input), output };
    Box::new(move |count| process.repeat(count))
}

struct Coprocess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Coprocess {
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

fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the clock of this thread").into()
}

fn children_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the usage of children");
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(microseconds.unsigned_abs())
}
