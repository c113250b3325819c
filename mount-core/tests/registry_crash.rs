//! Writers in processes of their own: many at once, killed at any instant, with failing system calls.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mount_core::registry::{Directories, Document, Entry, Pattern, Store};
use mount_core::{ErrorKind, State};
use tempfile::TempDir;

const TASK: &str = "REGISTRY_CRASH_TASK";
const MOUNTPOINTS: usize = 50;

/// A registry, and where it is for writers that run as processes of their own.
struct Registry {
    store: Store,
    root: TempDir,
}

impl Registry {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let directories = Directories { state: root.path().join("state"), run: root.path().join("run") };
        fs::create_dir(&directories.state).expect("a state directory");
        fs::create_dir(&directories.run).expect("a run directory");
        Registry { store: Store::new(directories), root }
    }

    /// Every mountpoint `online`, in generation 1.
    fn filled() -> Self {
        let registry = Self::new();
        let fill = |list: &mut Document| {
            (0..MOUNTPOINTS).try_for_each(|number| list.insert(entry(&format!("/srv/{number}"))).map(|_| ()))
        };
        registry.store.update(fill).expect("a new registry can be written");
        registry
    }

    /// This test program again, with `task` for [`writer_process`].
    fn writer(&self, task: &str, launcher: &[&str]) -> Command {
        let program = env::current_exe().expect("the test program");
        let mut command = match launcher {
            [] => Command::new(&program),
            [launcher, arguments @ ..] => {
                let mut command = Command::new(launcher);
                command.args(arguments).arg(&program);
                command
            }
        };
        command
            .args(["--exact", "writer_process", "--nocapture"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let Directories { state, run } = self.store.directories();
        command.env(TASK, task).env("MOUNTGUARD_STATE_DIR", state).env("MOUNTGUARD_RUN_DIR", run);
        command
    }

    fn read(&self) -> [Document; 2] {
        let persistent = self.store.read_persistent().expect("a whole list").expect("is there");
        let runtime = self.store.read_effective().expect("a whole list").expect("is there");
        [persistent.document(), runtime.document()]
    }

    fn bytes(&self) -> [Vec<u8>; 2] {
        let Directories { state, run } = self.store.directories();
        [state, run].map(|directory| fs::read(directory.join("mounts")).expect("a registry file"))
    }

    fn names(&self) -> Vec<PathBuf> {
        let Directories { state, run } = self.store.directories();
        let mut names: Vec<_> = [state, run]
            .into_iter()
            .flat_map(|directory| fs::read_dir(directory).expect("a directory"))
            .map(|entry| entry.expect("a directory entry").path())
            .map(|path| path.strip_prefix(self.root.path()).expect("is below it").to_path_buf())
            .collect();
        names.sort();
        names
    }
}

fn entry(path: &str) -> Entry<'static> {
    Entry::new(Pattern::parse(Path::new(path)).expect("a clean path").into_owned(), State::Online)
}

/// Not a test of its own but what the writers started by the others run.
#[test]
fn writer_process() {
    let Ok(task) = env::var(TASK) else { return };
    let store = Store::new(Directories::from_env()).with_patience(Duration::from_secs(60));
    match task.split_once(' ') {
        Some(("add", name)) => add_one_by_one(&store, name),
        None if task == "flip" => flip_for_ever(&store),
        None if task == "once" => {
            std::process::exit(exit_code_of(store.update(flip).map_err(|error| error.kind())))
        }
        _ => panic!("no such task: {task}"),
    }
}

fn add_one_by_one(store: &Store, name: &str) {
    for number in 0..100 {
        let added = store.update(|list| list.insert(entry(&format!("/srv/{name}/{number}"))));
        added.expect("a new mountpoint");
    }
}

/// Acknowledges each write with a byte, the first one before any.
fn flip_for_ever(store: &Store) {
    let mut acknowledged = std::io::stderr();
    loop {
        acknowledged.write_all(b".").expect("somebody listens");
        store.update(flip).expect("a write that nothing hinders");
    }
}

/// Changes every line, so that a mixture of two lists is noticed: an odd generation is `online`.
fn flip(list: &mut Document) -> Result<(), mount_core::Error> {
    let state = if list.generation() % 2 == 1 { State::Offline } else { State::Online };
    let patterns: Vec<_> = list.entries().map(|entry| entry.pattern.into_owned()).collect();
    patterns.iter().try_for_each(|pattern| list.set_state(pattern, state).map(|_| ()))
}

fn assert_whole(list: &Document) {
    let expected = if list.generation() % 2 == 1 { State::Online } else { State::Offline };
    assert_eq!(list.entries().count(), MOUNTPOINTS);
    assert!(
        list.entries().all(|entry| entry.state == expected),
        "mixed list in generation {}",
        list.generation()
    );
}

fn exit_code_of(result: Result<(), ErrorKind>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(ErrorKind::Io) => 74,
        Err(ErrorKind::Permission) => 77,
        Err(_) => 1,
    }
}

#[test]
fn sixteen_writers_lose_none_of_their_1600_mountpoints() {
    let registry = Registry::new();
    let start = |number| registry.writer(&format!("add {number}"), &[]).spawn().expect("a writer");
    let writers: Vec<Child> = (0..16).map(start).collect();
    for writer in writers {
        let output = writer.wait_with_output().expect("a writer that ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for list in registry.read() {
        assert_eq!((list.entries().count(), list.generation()), (1600, 1600));
    }
}

#[test]
fn writer_killed_at_any_of_1000_instants_leaves_the_old_list_or_the_new_one() {
    let registry = Registry::filled();
    let over = AtomicBool::new(false);
    let reads = thread::scope(|scope| {
        let reader = scope.spawn(|| read_until(&registry, &over));
        let killed = scope.spawn(|| kill_writers(&registry, 1000));
        let killed = killed.join();
        over.store(true, Ordering::Relaxed);
        killed.expect("each kill left a whole list");
        reader.join().expect("each read saw a whole list")
    });
    assert!(reads > 1000, "only {reads} concurrent reads");
    registry.store.restore().expect("the next start");
    let [persistent, runtime] = registry.read();
    assert_eq!(persistent.to_bytes(), runtime.to_bytes());
}

/// Reads both files without a lock, and returns how often.
fn read_until(registry: &Registry, over: &AtomicBool) -> usize {
    let mut reads = 0;
    let mut newest = [0, 0];
    while !over.load(Ordering::Relaxed) {
        for (list, newest) in registry.read().iter().zip(&mut newest) {
            assert_whole(list);
            assert!(list.generation() >= *newest, "generation {} after {newest}", list.generation());
            *newest = list.generation();
            reads += 1;
        }
    }
    reads
}

fn kill_writers(registry: &Registry, count: usize) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut interrupted = 0;
    for _ in 0..count {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let before = registry.read()[0].generation();
        let acknowledged = kill_after(registry, Duration::from_micros(random % 6000));
        let [persistent, runtime] = registry.read();
        assert_whole(&persistent);
        assert_whole(&runtime);
        let in_flight = persistent.generation() - (before + acknowledged);
        assert!(in_flight <= 1, "{in_flight} writes more than were begun");
        let behind = persistent.generation() - runtime.generation();
        assert!(behind <= 1, "the runtime file is {behind} writes behind");
        interrupted += usize::from(in_flight == 1 || registry.names().len() > 3);
    }
    assert!(interrupted > count / 10, "only {interrupted} of {count} kills hit a write");
}

/// Starts a writer, kills it `delay` after it was ready, and returns how many writes it finished.
fn kill_after(registry: &Registry, delay: Duration) -> u64 {
    let mut writer = registry.writer("flip", &[]).spawn().expect("a writer");
    let mut acknowledged = writer.stderr.take().expect("its standard error");
    acknowledged.read_exact(&mut [0]).expect("it gets ready");
    // Not to wait for anything: the random instant is what is tested.
    thread::sleep(delay);
    writer.kill().expect("it runs until it is killed");
    writer.wait().expect("it was killed");
    let mut rest = Vec::new();
    acknowledged.read_to_end(&mut rest).expect("what it had acknowledged");
    rest.len() as u64
}

/// Which system call fails, on which path below the registry's root.
const FAULTS: &[(&str, &str)] = &[
    ("openat", "state/mounts.tmp"),
    ("write", "state/mounts.tmp"),
    ("fsync", "state/mounts.tmp"),
    ("/^rename", "state/mounts.tmp"),
    ("fsync", "state"),
    ("openat", "run/mounts.tmp"),
    ("write", "run/mounts.tmp"),
    ("fsync", "run/mounts.tmp"),
    ("/^rename", "run/mounts.tmp"),
    ("fsync", "run"),
    ("openat", "state/mounts"),
    ("pread64", "state/mounts"),
    ("openat", "run/mounts"),
    ("pread64", "run/mounts"),
];

#[test]
fn failing_system_call_leaves_both_old_lists_byte_for_byte() {
    let registry = Registry::filled();
    let old = registry.bytes();
    let names = registry.names();
    for (call, path) in FAULTS {
        for errno in ["ENOSPC", "EIO"] {
            let (code, message) = run_with_fault(&registry, call, path, errno);
            assert_eq!(code, Some(74), "{call} of {path} with {errno}: {message}");
            assert_eq!(registry.bytes(), old, "{call} of {path} with {errno}");
            assert_eq!(registry.names(), names, "{call} of {path} with {errno}");
        }
    }
    let (code, message) = run_with_fault(&registry, "openat", "elsewhere", "EIO");
    assert_eq!(code, Some(0), "without a fault: {message}");
    assert_ne!(registry.bytes(), old);
}

#[test]
fn registry_that_may_not_be_read_is_an_error_and_left_alone() {
    let registry = Registry::filled();
    let old = registry.bytes();
    for path in ["state/mounts", "run/mounts"] {
        let (code, message) = run_with_fault(&registry, "openat", path, "EACCES");
        assert_eq!(code, Some(77), "{path}: {message}");
        assert_eq!(registry.bytes(), old);
    }
}

/// The exit code of a writer whose every `call` on `path` fails.
fn run_with_fault(registry: &Registry, call: &str, path: &str, errno: &str) -> (Option<i32>, String) {
    let path = registry.root.path().join(path);
    let path = path.to_str().expect("a path of ASCII");
    let inject = format!("inject={call}:error={errno}");
    let launcher = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", path, "-e", &inject];
    let output = registry.writer("once", &launcher).output().expect("strace, which ci/setup installs, runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
