//! What presence, verdicts and permits cost beside a bare `statx`, on real mounts in a namespace of its own.
//!
//! Two settings that must not differ: few mounts and one registered mountpoint, and very many of both.

use std::ffi::CString;
use std::fs;
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::Criterion;
use mount_core::registry::{Entry, Pattern, Store};
use mount_core::{Directories, Mounts, Operation, State, WhenMissing};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

/// Below it everything is built. Hidden by a tmpfs in a private namespace, so that nothing outside is touched.
const ROOT: &str = "/srv";
const MAIL: &str = "/srv/mail";

struct Setting {
    name: &'static str,
    mounts: usize,
    registered: usize,
}

const SETTINGS: [Setting; 2] = [
    Setting { name: "20 mounts, 1 registered", mounts: 20, registered: 1 },
    Setting { name: "5000 mounts, 10000 registered", mounts: 5_000, registered: 10_000 },
];

fn main() {
    enter_namespace();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for setting in &SETTINGS {
        let mounts = build(setting);
        measure(&mut criterion, setting.name, &mounts);
    }
    criterion.final_summary();
}

/// A mount namespace that ends with this process; without root, in a user namespace.
fn enter_namespace() {
    let (user, group) = (geteuid(), getegid());
    let flags = if user.is_root() {
        CloneFlags::CLONE_NEWNS
    } else {
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUSER
    };
    unshare(flags).expect("a private mount namespace");
    if !user.is_root() {
        fs::write("/proc/self/setgroups", "deny").expect("give up setgroups");
        fs::write("/proc/self/uid_map", format!("0 {user} 1")).expect("map the user");
        fs::write("/proc/self/gid_map", format!("0 {group} 1")).expect("map the group");
    }
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("keep mounts private");
}

/// A fresh tree with that many mounts, of which the first is where mail lies, and a registry that knows it and
/// as many others as wanted.
fn build(setting: &Setting) -> Mounts {
    mount_tmpfs(Path::new(ROOT));
    let mail = Path::new(MAIL);
    mount_tmpfs(mail);
    let there = fs::read_to_string("/proc/self/mountinfo").expect("the mount table").lines().count();
    for number in there..setting.mounts {
        mount_tmpfs(&Path::new(ROOT).join(format!("other/{number}")));
    }
    fs::create_dir_all(deep()).expect("a deep directory");
    fs::create_dir_all(mail.join("bob")).expect("a user's directory");
    symlink(MAIL, Path::new(ROOT).join("link")).expect("a symlink");

    let directories = Directories { state: Path::new(ROOT).join("state"), run: Path::new(ROOT).join("run") };
    for directory in [&directories.state, &directories.run] {
        fs::create_dir_all(directory).expect("a directory for the registry");
    }
    let store = Store::new(directories.clone());
    let fill = store.update(|list| {
        for number in 1..setting.registered {
            list.insert(online(&Path::new(ROOT).join(format!("tenants/{number}/mail"))))?;
        }
        list.insert(online(mail))
    });
    fill.expect("register");
    Mounts::open(&directories, WhenMissing::Refuse).expect("open the registry")
}

fn mount_tmpfs(at: &Path) {
    fs::create_dir_all(at).expect("a mountpoint");
    mount(Some("bench"), at, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("mount a tmpfs");
}

fn online(path: &Path) -> Entry<'static> {
    Entry::new(Pattern::parse(path).expect("a path to register").into_owned(), State::Online)
}

/// A directory at depth 30.
fn deep() -> PathBuf {
    let mut path = PathBuf::from(MAIL);
    path.extend((3..=30).map(|depth| format!("d{depth}")));
    path
}

fn measure(criterion: &mut Criterion, setting: &str, mounts: &Mounts) {
    let mail = Path::new(MAIL);
    let bob = mail.join("bob");
    let mut group = criterion.benchmark_group(setting);
    let bare = CString::new(mail.as_os_str().as_bytes()).expect("no NUL byte");
    let flags = AtFlags::NO_AUTOMOUNT | AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_DONT_SYNC;
    let unique_id = StatxFlags::from_bits_retain(libc::STATX_MNT_ID_UNIQUE);
    group.bench_function("bare statx", |b| {
        b.iter(|| statx(CWD, black_box(&bare), flags, unique_id).expect("statx"));
    });
    group.bench_function("presence", |b| b.iter(|| mounts.presence(black_box(mail))));
    for (name, operation, path) in [
        ("verdict at depth 3", Operation::Open, bob.clone()),
        ("verdict at depth 30", Operation::Open, deep()),
        ("verdict, to be created", Operation::Create, mail.join("new/mailboxes")),
        ("verdict through a symlink", Operation::Open, Path::new(ROOT).join("link/bob")),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| mounts.verdict(operation, black_box(&path)).expect("permitted"));
        });
    }
    group.bench_function("permit at depth 3", |b| {
        b.iter(|| mounts.authorize(Operation::Create, &[black_box(&bob)]).expect("permitted"));
    });
    group.bench_function("refresh", |b| b.iter(|| mounts.refresh().expect("unchanged")));
    group.finish();
}
