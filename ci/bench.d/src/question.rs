//! What a worker asks the library, again and again.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use mount_core::{Mounts, Operation};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::place::{ROOT, below_automount, below_fuse, deep, mail, new, other};

/// The yardstick once more, by the same function of libc with the same flags and mask, but called by this program.
pub(crate) const STATX_IN_RUST: &str = "statx in Rust";

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

fn statx_in_rust() -> impl FnMut() {
    let path = mail();
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    let unique_id = StatxFlags::from_bits_retain(0x4000);
    let path = std::ffi::CString::new(path.into_os_string().into_encoded_bytes()).expect("no NUL byte");
    move || {
        black_box(statx(CWD, black_box(&path), flags, unique_id).expect("statx"));
    }
}
