//! What is compared with what people use today: mountguard, and the bare system calls of the same questions.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

use mount_core::{Mounts, Operation};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::contest::{Contestant, Repeat};
use crate::place::{ROOT, below_automount, below_fuse, deep, mail, new, other};
use crate::programs::Programs;
use crate::repeat::coprocesses;
use crate::workers::worker;

/// The yardstick once more, by the same function of libc with the same flags and mask, but called by this program.
pub(crate) const STATX_IN_RUST: &str = "statx in Rust";

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

/// A question as a worker asks it, by its name.
pub(crate) fn question<'m>(name: &str, mounts: &'m Mounts) -> Box<dyn FnMut() + 'm> {
    let verdict = |operation, path: PathBuf| -> Box<dyn FnMut() + 'm> {
        Box::new(move || mounts.verdict(operation, black_box(&path)).expect("permitted"))
    };
    let presence = |path: PathBuf| -> Box<dyn FnMut() + 'm> {
        Box::new(move || drop(black_box(mounts.presence(black_box(&path)))))
    };
    let bob = mail().join("bob");
    match name {
        "presence" => presence(mail()),
        "presence below an automount" => presence(below_automount()),
        "presence below FUSE" => presence(below_fuse()),
        "verdict" => verdict(Operation::Open, bob),
        "verdict at depth 30" => verdict(Operation::Open, deep()),
        "verdict, to be created" => verdict(Operation::Create, new()),
        "verdict, to be created on tmpfs" => verdict(Operation::Create, other().join("new/mailboxes")),
        "verdict through a symlink" => verdict(Operation::Open, Path::new(ROOT).join("link/bob")),
        "permit" => {
            Box::new(move || drop(mounts.authorize(Operation::Open, &[black_box(&bob)]).expect("permitted")))
        }
        "refresh" => Box::new(|| mounts.refresh().expect("unchanged")),
        STATX_IN_RUST => Box::new(statx_in_rust()),
        _ => panic!("no such question: {name}"),
    }
}

fn by_worker<'a>(name: &'static str) -> Contestant<'a> {
    Contestant { name, repeat: coprocesses(|| worker(name)) }
}

fn statx_in_rust() -> impl FnMut() {
    let path = mail();
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    let unique_id = StatxFlags::from_bits_retain(0x4000);
    let path = std::ffi::CString::new(path.into_os_string().into_encoded_bytes()).expect("no NUL byte");
    move || {
        black_box(statx(CWD, black_box(&path), flags, unique_id).expect("statx"));
    }
}

pub(crate) fn floor_program<'a>(programs: &Programs, question: &str, path: &Path) -> Repeat<'a> {
    coprocesses(|| {
        let mut command = Command::new(&programs.floor);
        command.arg(question).arg(path).arg(mail());
        command
    })
}
