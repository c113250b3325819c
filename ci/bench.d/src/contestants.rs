//! What is compared with what people use today: mountguard, and the bare system calls of the same questions.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

use mount_core::{Mounts, Operation};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::contest::{Contestant, Repeat};
use crate::place::{ROOT, below_automount, below_fuse, deep, mail, new, other};
use crate::programs::Programs;
use crate::repeat::{coprocess, in_process};

/// What a permit takes more than the verdict that it includes.
pub(crate) const BEYOND: &str = "permit, beyond the verdict";
pub(crate) const BEYOND_IN_C: &str = "permit, beyond the verdict, in C";

/// A bare `statx` of the mountpoint, by libc's function, in C: everything else is a multiple of it.
pub(crate) fn yardstick<'a>(programs: &Programs) -> Repeat<'a> {
    floor_program(programs, "statx", &mail())
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
        presence("presence below FUSE", below_fuse()),
        verdict("verdict", Operation::Open, bob.clone()),
        verdict("verdict at depth 30", Operation::Open, deep()),
        verdict("verdict, to be created", Operation::Create, new()),
        verdict("verdict, to be created on tmpfs", Operation::Create, other().join("new/mailboxes")),
        verdict("verdict through a symlink", Operation::Open, Path::new(ROOT).join("link/bob")),
        in_process("permit", move || {
            black_box(mounts.authorize(Operation::Open, &[black_box(&bob)]).expect("permitted"));
        }),
        in_process("refresh", move || mounts.refresh().expect("unchanged")),
    ]
}

/// The bare system calls of the same questions, written in C.
pub(crate) fn floor<'a>(programs: &Programs) -> Vec<Contestant<'a>> {
    let ask =
        |name, question, path: PathBuf| Contestant { name, repeat: floor_program(programs, question, &path) };
    vec![
        ask("getppid in C", "getppid", mail()),
        ask("statx in C", "statx", mail()),
        ask("statx in C, its instruction inlined", "inlined", mail()),
        in_process("statx in Rust", statx_in_rust()),
        ask("verdict in C", "verdict", mail().join("bob")),
        ask("verdict at depth 30 in C", "verdict", deep()),
        ask("verdict, to be created, in C", "verdict", new()),
        ask("permit in C", "permit", mail().join("bob")),
    ]
}

/// The yardstick once more, by the same function of libc with the same flags and mask, but called by this program.
pub(crate) fn statx_in_rust() -> impl FnMut() {
    let path = mail();
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    let unique_id = StatxFlags::from_bits_retain(0x4000);
    let path = std::ffi::CString::new(path.into_os_string().into_encoded_bytes()).expect("no NUL byte");
    move || {
        black_box(statx(CWD, black_box(&path), flags, unique_id).expect("statx"));
    }
}

pub(crate) fn floor_program<'a>(programs: &Programs, question: &str, path: &Path) -> Repeat<'a> {
    let mut command = Command::new(&programs.floor);
    command.arg(question).arg(path).arg(mail());
    coprocess(command)
}
