//! Both registry files together: reading, writing, reconciling, and refusing to.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use mount_core::registry::{Content, Directories, Entry, Pattern, SIZE_MAX, Snapshot, Stamp, Store, Stuck};
use mount_core::{Cause, Error, ErrorKind, Mounts, Operation, State, WhenMissing};
use tempfile::TempDir;

/// A registry in directories of its own.
struct Registry {
    store: Store,
    _directory: TempDir,
}

impl Registry {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let directories =
            Directories { state: directory.path().join("state"), run: directory.path().join("run") };
        fs::create_dir(&directories.state).expect("a state directory");
        fs::create_dir(&directories.run).expect("a run directory");
        Registry { store: Store::new(directories), _directory: directory }
    }

    fn with(paths: &[&str]) -> Self {
        let registry = Self::new();
        registry.add(paths).expect("a new registry can be written");
        registry
    }

    fn add(&self, paths: &[&str]) -> Result<(), Error> {
        self.store.update(|list| {
            paths
                .iter()
                .try_for_each(|path| list.insert(Entry::new(pattern(path), State::Online)).map(|_| ()))
        })
    }

    fn persistent(&self) -> PathBuf {
        self.store.directories().persistent()
    }

    fn runtime(&self) -> PathBuf {
        self.store.directories().runtime()
    }

    fn texts(&self) -> (String, String) {
        (text(&self.persistent()), text(&self.runtime()))
    }

    /// Modification times and inodes: what no write at all leaves the same.
    fn traces(&self) -> [(u64, i64); 2] {
        [self.persistent(), self.runtime()].map(|path| {
            let metadata = fs::metadata(path).expect("a registry file");
            (metadata.ino(), metadata.ctime_nsec())
        })
    }

    fn stuck(&self, path: &str) -> Option<Stuck> {
        let runtime = self.store.read_effective().expect("a registry").expect("is there");
        runtime.document().get(&pattern(path)).expect("a registered mountpoint").options.stuck()
    }
}

fn pattern(path: &str) -> Pattern<'static> {
    Pattern::parse(Path::new(path)).expect("a path that can be registered").into_owned()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a registry file of ASCII")
}

fn damaged<T>(result: Result<T, Error>) -> String {
    let error = result.err().expect("a damaged registry is an error");
    assert_eq!(error.kind(), ErrorKind::DamagedRegistry, "{error:?}");
    error.to_string()
}

fn paths_of(snapshot: &Snapshot) -> Vec<PathBuf> {
    let registered = |content| match content {
        Content::Registered(entry) => Some(entry.pattern.path().to_path_buf()),
        _ => None,
    };
    snapshot.lines().filter_map(|line| registered(line.content)).collect()
}

const STUCK: Stuck = Stuck { since: Some(1_700_000_000) };

#[test]
fn first_write_makes_both_files_with_one_generation() {
    let registry = Registry::with(&["/srv/a", "/srv/b/*"]);
    let expected = "# mountguard 1 generation=1\nonline /srv/a\nonline /srv/b/*\n";
    assert_eq!(registry.texts(), (expected.into(), expected.into()));
    for path in [registry.persistent(), registry.runtime()] {
        assert_eq!(fs::metadata(path).expect("a registry file").permissions().mode() & 0o7777, 0o644);
    }
    registry.add(&["/srv/c"]).expect("a second write");
    assert!(registry.texts().0.starts_with("# mountguard 1 generation=2\n"));
}

#[test]
fn nothing_there_is_told_from_nothing_registered() {
    let registry = Registry::new();
    assert!(registry.store.read_effective().expect("no registry is no error").is_none());
    assert_eq!(registry.store.stamp().expect("no registry is no error"), Stamp::Absent);
    registry.store.restore().expect("nothing to restore");
    assert!(!registry.persistent().exists() && !registry.runtime().exists());
    fs::write(registry.persistent(), "# mountguard 1 generation=0\n").expect("a list of none");
    let snapshot = registry.store.read_effective().expect("a list of none").expect("is a list");
    assert_eq!(paths_of(&snapshot), [""; 0].map(PathBuf::from));
}

#[test]
fn change_that_changes_nothing_writes_nothing() {
    let registry = Registry::with(&["/srv/a"]);
    let before = registry.traces();
    let state = registry.store.update(|list| list.set_state(&pattern("/srv/a"), State::Online));
    assert_eq!(state.expect("a registered mountpoint"), State::Online);
    registry.store.restore().expect("both files are there");
    registry.store.observe(&[(pattern("/srv/a"), None)]).expect("both files are there");
    assert_eq!(registry.traces(), before);
}

#[test]
fn change_that_fails_writes_nothing() {
    let registry = Registry::with(&["/srv/a"]);
    let before = registry.traces();
    let error = registry.add(&["/srv/b", "/srv/a"]).expect_err("a duplicate");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(registry.traces(), before);
}

#[test]
fn runtime_file_is_made_from_the_persistent_one() {
    let registry = Registry::with(&["/srv/a"]);
    fs::remove_file(registry.runtime()).expect("the runtime file can be removed");
    let effective = registry.store.read_effective().expect("a registry").expect("is there");
    assert_eq!(effective.path(), registry.persistent());
    registry.store.restore().expect("the persistent file is there");
    let effective = registry.store.read_effective().expect("a registry").expect("is there");
    assert_eq!(effective.path(), registry.runtime());
    assert_eq!(registry.texts().0, registry.texts().1);
}

#[test]
fn edit_by_hand_counts_from_the_next_start() {
    let registry = Registry::with(&["/srv/a", "/srv/b"]);
    registry.store.observe(&[(pattern("/srv/a"), Some(STUCK))]).expect("a registered mountpoint");
    let edited = "# mountguard 1 generation=1\n# by hand\nonlin /typo\noffline /srv/a\nonline /srv/c\n";
    fs::write(registry.persistent(), edited).expect("an edit by hand");
    registry.store.restore().expect("a start");
    let expected = edited.replace("/srv/a", "/srv/a\tobserved=stuck\tsince=1700000000");
    assert_eq!(registry.texts(), (edited.into(), expected));
}

#[test]
fn edit_by_hand_counts_from_the_next_write() {
    let registry = Registry::with(&["/srv/a"]);
    fs::write(registry.persistent(), "# mountguard 1 generation=1\noffline /srv/x\n")
        .expect("an edit by hand");
    registry.add(&["/srv/b"]).expect("a write");
    let expected = "# mountguard 1 generation=2\noffline /srv/x\nonline /srv/b\n";
    assert_eq!(registry.texts(), (expected.into(), expected.into()));
}

#[test]
fn dovecot_2_2_registry_guards_at_once_and_is_upgraded_by_the_first_write() {
    let registry = Registry::new();
    let old = "online /srv/my mail\nignore /mnt/*\n";
    fs::write(registry.persistent(), old).expect("an old registry");
    let effective = registry.store.read_effective().expect("an old registry").expect("is there");
    assert!(effective.header().is_legacy);
    assert_eq!(paths_of(&effective), ["/srv/my mail", "/mnt"].map(PathBuf::from));
    registry.store.restore().expect("a start");
    assert_eq!(registry.texts().0, old);
    registry.add(&["/srv/a"]).expect("the first write");
    let new = "# mountguard 1 generation=1\nonline /srv/my\\040mail\nignore /mnt/*\nonline /srv/a\n";
    assert_eq!(registry.texts(), (new.into(), new.into()));
}

#[test]
fn observation_is_in_the_runtime_file_only_and_outlives_writes() {
    let registry = Registry::with(&["/srv/a", "/srv/b"]);
    let persistent = registry.texts().0;
    registry
        .store
        .observe(&[(pattern("/srv/a"), Some(STUCK)), (pattern("/gone"), Some(STUCK))])
        .expect("observed");
    assert_eq!((registry.texts().0, registry.stuck("/srv/a")), (persistent, Some(STUCK)));
    assert!(!registry.texts().1.contains("/gone"));
    registry.add(&["/srv/c"]).expect("a write");
    assert_eq!((registry.stuck("/srv/a"), registry.stuck("/srv/b")), (Some(STUCK), None));
    assert!(!registry.texts().0.contains("stuck"));
    registry.store.observe(&[(pattern("/srv/a"), None)]).expect("it answers again");
    assert_eq!(registry.texts().0, registry.texts().1);
}

#[test]
fn observation_of_a_removed_mountpoint_does_not_come_back_with_it() {
    let registry = Registry::with(&["/srv/a"]);
    registry.store.observe(&[(pattern("/srv/a"), Some(STUCK))]).expect("observed");
    registry.store.update(|list| list.forget(&pattern("/srv/a"))).expect("a registered mountpoint");
    assert_eq!(registry.texts().1, "# mountguard 1 generation=2\nforgotten /srv/a\n");
    registry.add(&["/srv/a"]).expect("a forgotten mountpoint");
    assert_eq!(registry.stuck("/srv/a"), None);
}

#[test]
fn nothing_is_written_over_a_file_that_cannot_be_understood() {
    let unreadable: [&[u8]; 5] = [b"", b"\x7fELF\0\0", b"# mountguard 2 x\n", b"onl", b"online /a\tx=1\n"];
    for content in unreadable {
        for damage_runtime in [false, true] {
            let registry = Registry::with(&["/srv/a"]);
            let path = if damage_runtime { registry.runtime() } else { registry.persistent() };
            fs::write(&path, content).expect("a damaged file");
            let before = registry.traces();
            let message = damaged(registry.add(&["/srv/b"]));
            assert!(message.contains(path.to_str().expect("a path of ASCII")), "{message}");
            assert!(message.contains("line 1"), "{message}");
            damaged(registry.store.restore());
            damaged(registry.store.observe(&[(pattern("/srv/a"), Some(STUCK))]));
            assert_eq!(registry.traces(), before);
            if damage_runtime {
                damaged(registry.store.read_effective());
            } else {
                damaged(registry.store.read_persistent());
            }
        }
    }
}

#[test]
fn directory_and_fifo_in_its_place_are_errors() {
    let registry = Registry::new();
    fs::create_dir(registry.persistent()).expect("a directory");
    damaged(registry.store.read_effective());
    damaged(registry.add(&["/srv/a"]));
    fs::remove_dir(registry.persistent()).expect("an empty directory");
    nix::unistd::mkfifo(&registry.persistent(), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    damaged(registry.store.read_effective());
}

#[test]
fn registry_larger_than_the_limit_is_refused_unread() {
    let registry = Registry::with(&["/srv/a"]);
    let file = fs::OpenOptions::new().write(true).open(registry.runtime()).expect("the runtime file");
    file.set_len(SIZE_MAX + 1).expect("a sparse file");
    assert!(damaged(registry.store.read_effective()).contains("64 MiB"));
}

#[test]
fn lost_persistent_file_is_not_begun_anew_while_a_runtime_file_remembers() {
    let registry = Registry::with(&["/srv/a"]);
    let runtime = registry.texts().1;
    fs::remove_file(registry.persistent()).expect("the persistent file can be lost");
    let message = damaged(registry.add(&["/srv/b"]));
    assert!(message.contains("is gone") && message.contains("mounts\" made from it"), "{message}");
    damaged(registry.store.restore());
    assert_eq!(text(&registry.runtime()), runtime);
    assert!(!registry.persistent().exists());
}

#[test]
fn missing_state_directory_is_an_error_and_is_not_made() {
    let registry = Registry::new();
    fs::remove_dir(&registry.store.directories().state).expect("an empty directory");
    assert_eq!(registry.add(&["/srv/a"]).expect_err("no state directory").kind(), ErrorKind::Io);
    assert!(!registry.store.directories().state.exists());
}

#[test]
fn missing_run_directory_leaves_readers_the_persistent_file() {
    let registry = Registry::new();
    fs::remove_dir(&registry.store.directories().run).expect("an empty directory");
    registry.add(&["/srv/a"]).expect("a write before the first start");
    let effective = registry.store.read_effective().expect("a registry").expect("is there");
    assert_eq!(effective.path(), registry.persistent());
    assert_eq!(registry.store.stamp().expect("a registry"), effective.stamp());
}

#[test]
fn symbolic_link_is_followed_by_readers_and_refused_by_writers() {
    let registry = Registry::with(&["/srv/a"]);
    let target = registry.store.directories().state.join("elsewhere");
    fs::rename(registry.persistent(), &target).expect("a file moved elsewhere");
    symlink(&target, registry.persistent()).expect("a link");
    let snapshot = registry.store.read_persistent().expect("a registry").expect("is there");
    assert_eq!(paths_of(&snapshot), [PathBuf::from("/srv/a")]);
    let error = registry.add(&["/srv/b"]).expect_err("a link would be replaced");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(fs::symlink_metadata(registry.persistent()).expect("the link").is_symlink());
    fs::remove_file(&target).expect("the target can be removed");
    fs::remove_file(registry.runtime()).expect("the runtime file can be removed");
    assert!(damaged(registry.store.read_effective()).contains("leads nowhere"));
    damaged(registry.store.stamp());
}

#[test]
fn runtime_file_that_comes_and_goes_under_a_reader_is_no_error() {
    let registry = Registry::with(&["/srv/a"]);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..500 {
                fs::remove_file(registry.runtime()).expect("the runtime file can be removed");
                registry.store.restore().expect("the persistent file is there");
            }
        });
        while !writer.is_finished() {
            let effective = registry.store.read_effective().expect("the one file or the other");
            assert_eq!(paths_of(&effective.expect("always a list")), [PathBuf::from("/srv/a")]);
            assert_ne!(registry.store.stamp().expect("the one file or the other"), Stamp::Absent);
        }
    });
}

#[test]
fn temporary_file_of_a_killed_writer_is_no_registry_and_goes_with_the_next_write() {
    let registry = Registry::new();
    for path in [registry.persistent(), registry.runtime()] {
        fs::write(path.with_extension("tmp"), "# mountguard 1 generation=9\nonline /half")
            .expect("a left file");
    }
    assert!(registry.store.read_effective().expect("no registry").is_none());
    registry.add(&["/srv/a"]).expect("a write");
    assert_eq!(registry.texts().0, "# mountguard 1 generation=1\nonline /srv/a\n");
    for path in [registry.persistent(), registry.runtime()] {
        assert!(!path.with_extension("tmp").exists());
    }
}

#[test]
fn writer_waits_for_the_lock_and_gives_up_with_a_temporary_error() {
    let registry = Registry::with(&["/srv/a"]);
    let store = registry.store.clone().with_patience(Duration::from_millis(50));
    let error = registry.store.update(|_| Ok(store.restore().expect_err("the lock is held")));
    assert_eq!(error.expect("an update").kind(), ErrorKind::Temporary);
    store.restore().expect("the lock is free again");
}

#[test]
fn stamp_tells_each_list_from_the_one_before() {
    let registry = Registry::new();
    let mut seen = vec![Stamp::Absent];
    for path in ["/srv/a", "/srv/b", "/srv/c"] {
        registry.add(&[path]).expect("a write");
        let stamp = registry.store.stamp().expect("a registry");
        let effective = registry.store.read_effective().expect("a registry").expect("is there");
        assert_eq!(stamp, effective.stamp());
        assert_ne!(seen.last(), Some(&stamp));
        seen.push(stamp);
    }
    fs::remove_dir_all(&registry.store.directories().run).expect("the run directory can vanish");
    let stamp = registry.store.stamp().expect("the persistent file is there");
    assert_ne!(seen.last(), Some(&stamp));
}

#[test]
fn observed_child_of_a_wildcard_has_a_line_in_the_runtime_file_as_long_as_it_is_stuck() {
    let registry = Registry::with(&["/tank/*", "/srv/a"]);
    let (bob, stuck) = (pattern("/tank/bob"), |registry: &Registry| {
        let runtime = registry.store.read_effective().expect("readable").expect("is there").document();
        (runtime.stuck(&pattern("/tank/bob")), runtime.get(&pattern("/tank/bob")).map(Entry::into_owned))
    });
    registry.store.observe(&[(bob.clone(), Some(STUCK))]).expect("observed");
    let (persistent, runtime) = registry.texts();
    let line = "online /tank/bob\tchild=\tobserved=stuck\tsince=1700000000\n";
    assert_eq!(runtime, persistent.clone() + line);
    assert_eq!(stuck(&registry), (Some(STUCK), None), "known, and no entry");

    registry.store.update(|list| list.set_state(&pattern("/tank/*"), State::Offline)).expect("a write");
    assert!(registry.texts().1.contains("offline /tank/bob\t"), "as the wildcard says now");
    assert!(!registry.texts().0.contains("bob"));
    registry.store.observe(&[(bob.clone(), None)]).expect("it answers again");
    assert_eq!(registry.texts().0, registry.texts().1);

    registry.store.observe(&[(bob, Some(STUCK))]).expect("observed once more");
    registry.store.update(|list| list.forget(&pattern("/tank/*"))).expect("a write");
    assert_eq!(registry.texts().0, registry.texts().1, "nobody speaks of it any more");
}

#[test]
fn observation_stays_with_a_directory_that_is_registered_besides_a_wildcard_and_removed_again() {
    let registry = Registry::with(&["/tank/*"]);
    registry.store.observe(&[(pattern("/tank/bob"), Some(STUCK))]).expect("observed");
    registry.add(&["/tank/bob"]).expect("a write");
    assert_eq!(registry.texts().1.lines().last(), Some("online /tank/bob\tobserved=stuck\tsince=1700000000"));
    registry.store.update(|list| list.forget(&pattern("/tank/bob"))).expect("a write");
    assert!(registry.texts().1.ends_with("\nonline /tank/bob\tchild=\tobserved=stuck\tsince=1700000000\n"));
    assert!(!registry.texts().0.contains("stuck"));
}

#[test]
fn runtime_file_copied_over_a_lost_persistent_one_registers_no_child() {
    let registry = Registry::with(&["/tank/*"]);
    registry.store.observe(&[(pattern("/tank/bob"), Some(STUCK))]).expect("observed");
    fs::copy(registry.runtime(), registry.persistent()).expect("the remedy that the message names");
    registry.add(&["/srv/a"]).expect("a write");
    assert!(!registry.texts().0.contains("bob"), "{}", registry.texts().0);
    assert!(registry.texts().1.contains("bob"), "{}", registry.texts().1);
}

/// A registry that is long enough for an index, and a guard that has asked nothing yet.
fn long_registry() -> Registry {
    let registry = Registry::new();
    let paths: Vec<String> = (0..500).map(|number| format!("/srv/tenant-{number}")).collect();
    registry.add(&paths.iter().map(String::as_str).collect::<Vec<_>>()).expect("a write");
    registry
}

fn is_refused(registry: &Registry, path: &str) -> bool {
    let mounts = Mounts::open(registry.store.directories(), WhenMissing::Refuse).expect("a registry");
    mounts.verdict(Operation::Open, Path::new(path)).is_err()
}

#[test]
fn long_registry_is_judged_alike_with_its_index_without_it_and_with_one_that_is_none() {
    let registry = long_registry();
    let index = registry.store.directories().index();
    let judge = || {
        ["/srv/tenant-7/bob", "/srv/tenant-499", "/srv/tenant-500", "/srv"]
            .map(|path| is_refused(&registry, path))
    };
    assert_eq!(judge(), [true, true, false, false]);
    let bytes = fs::read(&index).expect("an index");
    for cut_off in [0, 10, 100, bytes.len() / 2] {
        fs::write(&index, &bytes[..cut_off]).expect("a damaged index");
        assert_eq!(judge(), [true, true, false, false], "cut off after {cut_off} bytes");
    }
    let counts = 16 + 40;
    fs::write(&index, [&bytes[..counts], &[0xff; 8], &bytes[counts + 8..]].concat())
        .expect("a damaged index");
    assert_eq!(judge(), [true, true, false, false], "numbers that lead far beyond its end");
    fs::remove_file(&index).expect("remove the index");
    assert_eq!(judge(), [true, true, false, false]);
}

#[test]
fn runtime_file_edited_in_its_place_is_not_judged_by_the_index_of_what_it_was() {
    let registry = long_registry();
    let text = text(&registry.runtime()).replace("tenant-300\n", "tenant-3XX\n");
    fs::write(registry.runtime(), text).expect("an edit of the same length");
    assert_eq!(["/srv/tenant-300", "/srv/tenant-3XX"].map(|path| is_refused(&registry, path)), [false, true]);
}

#[test]
fn runtime_file_edited_since_it_was_opened_is_judged_as_it_is_now() {
    let registry = long_registry();
    let mounts = Mounts::open(registry.store.directories(), WhenMissing::Refuse).expect("a registry");
    let text = text(&registry.runtime()).replace("tenant-2", "longer-than-tenant-2");
    fs::write(registry.runtime(), text).expect("an edit that moves most lines");
    for (path, is_refused) in
        [("/srv/tenant-300", true), ("/srv/longer-than-tenant-200", true), ("/srv/tenant-200", false)]
    {
        assert_eq!(mounts.verdict(Operation::Open, Path::new(path)).is_err(), is_refused, "{path}");
    }
}

#[test]
fn damage_where_the_index_leads_is_met() {
    let registry = long_registry();
    let runtime = registry.runtime();
    let modified = fs::metadata(&runtime).and_then(|metadata| metadata.modified()).expect("its time");
    let text = text(&runtime).replace("tenant-300\n", "tenant-300\0");
    fs::write(&runtime, text).expect("damage");
    fs::File::options()
        .append(true)
        .open(&runtime)
        .and_then(|file| file.set_modified(modified))
        .expect("its time");
    let mounts = Mounts::open(registry.store.directories(), WhenMissing::Refuse).expect("a sound beginning");
    let refusal = mounts.verdict(Operation::Open, Path::new("/srv/tenant-300")).expect_err("a damaged line");
    assert!(matches!(refusal.cause(), Cause::Registry(error) if error.kind() == ErrorKind::DamagedRegistry));
}
