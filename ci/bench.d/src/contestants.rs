//! What is compared: mountguard, the bare system calls, and what people use today.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use mount_core::{Mounts, Operation};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};

use crate::contest::{Contestant, Repeat};
use crate::dovecot_rule;
use crate::place::{ROOT, below_automount, deep, mail};
use crate::programs::Programs;

/// A bare `statx` of the mountpoint, in C: everything else is a multiple of it.
pub(crate) fn yardstick<'a>(programs: &Programs) -> Contestant<'a> {
    in_c(programs, "statx in C", "statx", mail())
}

/// The library, in the order of the page.
pub(crate) fn ours(mounts: &Mounts) -> Vec<Contestant<'_>> {
    let verdict = |name, operation, path: PathBuf| {
        in_process(name, move || mounts.verdict(operation, black_box(&path)).expect("permitted"))
    };
    let presence = |name, path: PathBuf| {
        in_process(name, move || {
            black_box(mounts.presence(black_box(&path)));
        })
    };
    let bob = mail().join("bob");
    vec![
        presence("presence", mail()),
        presence("presence below an automount", below_automount()),
        verdict("verdict", Operation::Open, bob.clone()),
        verdict("verdict at depth 30", Operation::Open, deep()),
        verdict("verdict, to be created", Operation::Create, mail().join("new/mailboxes")),
        verdict(
            "verdict, to be created on tmpfs",
            Operation::Create,
            below_automount().join("new/mailboxes"),
        ),
        verdict("verdict through a symlink", Operation::Open, Path::new(ROOT).join("link/bob")),
        in_process("permit", move || {
            black_box(mounts.authorize(Operation::Open, &[black_box(&bob)]).expect("permitted"));
        }),
        in_process("refresh", move || mounts.refresh().expect("unchanged")),
    ]
}

/// The bare system calls of the same questions, written in C.
pub(crate) fn floor<'a>(programs: &Programs) -> Vec<Contestant<'a>> {
    let ask = |name, question, path| in_c(programs, name, question, path);
    vec![
        ask("getppid in C", "getppid", mail()),
        ask("verdict in C", "verdict", mail().join("bob")),
        ask("verdict at depth 30 in C", "verdict", deep()),
        ask("verdict, to be created, in C", "verdict", mail().join("new/mailboxes")),
        ask("permit in C", "permit", mail().join("bob")),
    ]
}

fn in_c<'a>(programs: &Programs, name: &'static str, question: &str, path: PathBuf) -> Contestant<'a> {
    let mut command = Command::new(&programs.floor);
    command.arg(question).arg(path).arg(mail());
    Contestant { name, repeat: coprocess(command) }
}

/// What people use today to find out whether something is mounted.
pub(crate) fn peers<'a>(programs: &Programs) -> Vec<Contestant<'a>> {
    let mut crossing = Command::new(&programs.floor);
    crossing.arg("crossing").arg(mail()).arg(mail());
    let mut libmount = Command::new(&programs.libmount);
    libmount.arg(mail());
    let mut python = Command::new("python3");
    python.arg(&programs.ismount).arg(mail());
    vec![
        in_process("first Dovecot's rule", || assert!(dovecot_rule::is_permitted(&mail()))),
        in_process("procfs crate", || {
            let table = procfs_table();
            assert!(table.iter().any(|mount| *mount == mail()));
        }),
        Contestant { name: "libmount", repeat: coprocess(libmount) },
        Contestant { name: "openat2 without crossing", repeat: coprocess(crossing) },
        Contestant { name: "Python os.path.ismount", repeat: coprocess(python) },
        command("mountpoint -q", || {
            let mut command = Command::new("mountpoint");
            command.arg("-q").arg(mail());
            command
        }),
        command("findmnt --target", || {
            let mut command = Command::new("findmnt");
            command.arg("--target").arg(mail());
            command
        }),
    ]
}

fn procfs_table() -> Vec<PathBuf> {
    use procfs::FromRead;
    let table = procfs::process::MountInfos::from_file("/proc/self/mountinfo").expect("the mount table");
    table.0.into_iter().map(|mount| mount.mount_point).collect()
}

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
fn coprocess<'a>(mut command: Command) -> Repeat<'a> {
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
