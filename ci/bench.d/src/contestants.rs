//! What is compared with what people use today: mountguard, and the bare system calls of the same questions.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contest::{Contestant, Repeat};
use crate::place::{deep, mail, new};
use crate::programs::Programs;
use crate::question::STATX_IN_RUST;
use crate::repeat::coprocesses;
use crate::workers::worker;

/// A bare `statx` of the mountpoint, by libc's function, in C: everything else is a multiple of it.
pub(crate) fn yardstick<'a>(programs: &Programs) -> Repeat<'a> {
    floor_program(programs, "statx", &mail())
}

/// What is asked of the library, in the order of the page.
const OURS: [&str; 10] = [
    "presence",
    "presence below an automount",
    "presence below FUSE",
    "verdict",
    "verdict at depth 30",
    "verdict, to be created",
    "verdict, to be created on tmpfs",
    "verdict through a symlink",
    "permit",
    "refresh",
];

/// The library, asked by workers.
pub(crate) fn ours<'a>() -> Vec<Contestant<'a>> {
    OURS.map(by_worker).into()
}

/// The bare system calls of the same questions, written in C. A permit makes those of a verdict.
pub(crate) fn floor<'a>(programs: &Programs) -> Vec<Contestant<'a>> {
    let ask =
        |name, question, path: PathBuf| Contestant { name, repeat: floor_program(programs, question, &path) };
    vec![
        ask("getppid in C", "getppid", mail()),
        ask("statx in C", "statx", mail()),
        ask("statx in C, its instruction inlined", "inlined", mail()),
        by_worker(STATX_IN_RUST),
        ask("verdict in C", "verdict", mail().join("bob")),
        ask("verdict at depth 30 in C", "verdict", deep()),
        ask("verdict, to be created, in C", "verdict", new()),
    ]
}

fn by_worker<'a>(name: &'static str) -> Contestant<'a> {
    Contestant { name, repeat: coprocesses(|| worker(name)) }
}

pub(crate) fn floor_program<'a>(programs: &Programs, question: &str, path: &Path) -> Repeat<'a> {
    coprocesses(|| {
        let mut command = Command::new(&programs.floor);
        command.arg(question).arg(path).arg(mail());
        command
    })
}
