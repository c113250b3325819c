//! Guarded work and autocreation on real mounts.

use std::cell::Cell;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Barrier;

use fixtures::lab;
use fixtures::lab::{Lab, Mount};
use guard_mbox::{MboxGuard, MboxLayout, create_mbox};
use mount_core::registry::{Document, Entry, Pattern, Store};
use mount_core::{Attributes, Cause, Directories, ErrorKind, Mounts, Operation, State, WhenMissing};
use nix::errno::Errno;
use nix::mount::umount;
use nix::unistd::{Gid, Uid};

/// Everything mounted at these places, registered.
fn registered(lab: &Lab, mounts: &[&Mount]) -> Directories {
    let directories = Directories { state: lab.dir("var/lib/dovecot"), run: lab.dir("run/dovecot") };
    let entry = |mount: &&Mount| {
        let pattern = Pattern::literal(mount.path()).expect("a path to register");
        Entry::new(pattern, State::Online).into_owned()
    };
    let add =
        |list: &mut Document| mounts.iter().map(entry).try_for_each(|entry| list.insert(entry).map(drop));
    Store::new(directories.clone()).update(add).expect("register");
    directories
}

fn open(directories: &Directories) -> Mounts {
    Mounts::open(directories, WhenMissing::Refuse).expect("open the registry")
}

fn guard<'m>(mounts: &'m Mounts, location: &str) -> MboxGuard<'m> {
    MboxGuard::new(mounts, MboxLayout::from_mail_location(location, None).expect("a good location"))
}

/// A guard whose INBOX is the file, in a mail root that nobody minds.
fn guard_of_inbox<'m>(mounts: &'m Mounts, inbox: &Path) -> MboxGuard<'m> {
    guard(mounts, &format!("mbox:/nowhere/mail:INBOX={}", inbox.display()))
}

fn runs(guard: &MboxGuard<'_>, operation: Operation) -> bool {
    let ran = Cell::new(false);
    let answer = match operation {
        Operation::Rebuild => guard.rebuild(|_| ran.set(true)),
        Operation::Create => guard.create(|_| ran.set(true)),
        Operation::Deliver => guard.deliver(|_| ran.set(true)),
        Operation::Delete => guard.delete(|_| ran.set(true)),
        Operation::Sync => guard.sync(|_| ran.set(true)),
        Operation::Open | Operation::ReadAlt => guard.guarded(operation, |_| ran.set(true)),
    };
    assert_eq!(answer.is_ok(), ran.get(), "{operation}: {answer:?}");
    ran.get()
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).expect("a directory").count()
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

const FILE: Attributes = Attributes { mode: 0o600, owner: None };
const DIRECTORY: Attributes = Attributes { mode: 0o700, owner: None };

#[test]
fn spool_and_folders_go_on_without_each_other() {
    lab!(|lab| {
        let (mail, spool, index) = (lab.tmpfs("srv/mail"), lab.tmpfs("spool"), lab.tmpfs("srv/index"));
        let mounts = open(&registered(lab, &[&mail, &spool, &index]));
        let (root, at, indexes) = (mail.path().display(), spool.path().display(), index.path().display());
        let guard = guard(&mounts, &format!("mbox:{root}/bob:INBOX={at}/bob:INDEX={indexes}/bob"));
        let (inbox, folder) =
            (guard.mailbox("INBOX").expect("a name"), guard.mailbox("lists").expect("a name"));
        for operation in [Operation::Open, Operation::Deliver, Operation::Delete, Operation::Rebuild] {
            for (away, inbox_runs, folder_runs) in
                [(&mail, true, false), (&spool, false, true), (&index, false, false)]
            {
                away.take_away();
                assert_eq!(
                    runs(&inbox, operation),
                    inbox_runs,
                    "INBOX: {operation} without {:?}",
                    away.path()
                );
                assert_eq!(
                    runs(&folder, operation),
                    folder_runs,
                    "folder: {operation} without {:?}",
                    away.path()
                );
                assert!(!runs(&guard, operation), "store: {operation} without {:?}", away.path());
                away.bring_back();
            }
            assert!(runs(&guard, operation), "{operation} with all there");
        }
    });
}

#[test]
fn inbox_whose_index_is_in_the_mail_root_needs_it() {
    lab!(|lab| {
        let (mail, spool) = (lab.tmpfs("srv/mail"), lab.tmpfs("spool"));
        let mounts = open(&registered(lab, &[&mail, &spool]));
        let guard =
            guard(&mounts, &format!("mbox:{}:INBOX={}/bob", mail.path().display(), spool.path().display()));
        mail.take_away();
        assert!(!runs(&guard.mailbox("INBOX").expect("a name"), Operation::Deliver));
    });
}

#[test]
fn replication_needs_everything_whatever_the_mailbox() {
    lab!(|lab| {
        let (mail, spool) = (lab.tmpfs("srv/mail"), lab.tmpfs("spool"));
        let mounts = open(&registered(lab, &[&mail, &spool]));
        let guard =
            guard(&mounts, &format!("mbox:{}:INBOX={}/bob", mail.path().display(), spool.path().display()));
        spool.take_away();
        assert!(!runs(&guard.mailbox("lists").expect("a name"), Operation::Sync));
    });
}

#[test]
fn spool_is_busy_during_a_guarded_rebuild_and_free_right_after() {
    lab!(|lab| {
        let spool = lab.tmpfs("spool");
        let mounts = open(&registered(lab, &[&spool]));
        let guard = guard_of_inbox(&mounts, &spool.path().join("bob"));
        assert_eq!(guard.rebuild(|_| umount(spool.path())).expect("mounted"), Err(Errno::EBUSY));
        assert_eq!(umount(spool.path()), Ok(()));
    });
}

#[test]
fn mbox_is_created_in_the_filesystem_or_not_at_all() {
    lab!(|lab| {
        let spool = lab.tmpfs("spool");
        let mounts = open(&registered(lab, &[&spool]));
        let path = spool.path().join("b/bob");
        let guard = guard_of_inbox(&mounts, &path);
        spool.take_away();
        guard.create(|permit| create_mbox(permit, &path, &FILE, Some(&DIRECTORY))).expect_err("not mounted");
        assert_eq!(entries(spool.path()), 0, "underneath");
        spool.bring_back();
        let missing = guard.create(|permit| create_mbox(permit, &path, &FILE, None)).expect("mounted");
        assert_eq!(missing.expect_err("no parent").errno(), Some(Errno::ENOENT as i32));
        let created = guard.create(|permit| create_mbox(permit, &path, &FILE, Some(&DIRECTORY)));
        created.expect("mounted").expect("created");
        let there = fs::symlink_metadata(&path).expect("created");
        assert!(there.is_file() && mode(&there) == 0o600 && there.len() == 0);
        assert_eq!(mode(&fs::metadata(spool.path().join("b")).expect("created")), 0o700);
    });
}

/// The moment between check and use, made as long as it takes.
#[test]
fn nothing_is_created_underneath_when_the_mount_goes_after_the_check() {
    lab!(|lab| {
        let spool = lab.tmpfs("spool");
        let mounts = open(&registered(lab, &[&spool]));
        let path = spool.path().join("bob");

        let answer = guard_of_inbox(&mounts, &path).create(|permit| {
            spool.take_away_lazily();
            create_mbox(permit, &path, &FILE, Some(&DIRECTORY))
        });
        assert!(matches!(answer.expect_err("it is of no use").cause(), Cause::Vanished));
        assert_eq!(entries(spool.path()), 0, "underneath");

        spool.bring_back();
        mounts.verdict(Operation::Create, &path).expect("the naive check finds it mounted");
        spool.take_away_lazily();
        fs::write(&path, "").expect("and the naive creation goes where the path leads now");
        assert_eq!(entries(spool.path()), 1, "underneath");
    });
}

#[test]
fn existing_mbox_stays_as_it_is() {
    lab!(|lab| {
        let spool = lab.tmpfs("spool");
        let mounts = open(&registered(lab, &[&spool]));
        let path = spool.path().join("bob");
        fs::write(&path, "From bob\n").expect("an mbox");
        let before = mode(&fs::metadata(&path).expect("there"));
        let guard = guard_of_inbox(&mounts, &path);
        guard.create(|permit| create_mbox(permit, &path, &FILE, None)).expect("mounted").expect("fine");
        assert_eq!(fs::read(&path).expect("there"), b"From bob\n");
        assert_eq!(mode(&fs::metadata(&path).expect("there")), before);
    });
}

#[test]
fn something_else_in_its_place_is_an_error() {
    lab!(|lab| {
        let spool = lab.tmpfs("spool");
        let mounts = open(&registered(lab, &[&spool]));
        let path = spool.path().join("bob");
        fs::create_dir(&path).expect("a directory");
        let guard = guard_of_inbox(&mounts, &path);
        let answer = guard.create(|permit| create_mbox(permit, &path, &FILE, None)).expect("mounted");
        assert_eq!(answer.expect_err("a directory").kind(), ErrorKind::Data);
        let elsewhere = guard.create(|permit| create_mbox(permit, &lab.path("etc/x"), &FILE, None));
        assert!(elsewhere.expect("mounted").is_err(), "the permit doesn't speak of it");
    });
}

#[test]
fn concurrent_creators_all_succeed() {
    lab!(|lab| {
        let spool = lab.tmpfs("spool");
        let directories = registered(lab, &[&spool]);
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            let creator = || {
                let mounts = open(&directories);
                for user in 0..100 {
                    let path = spool.path().join(format!("d/{user}"));
                    let guard = guard_of_inbox(&mounts, &path);
                    barrier.wait();
                    let created = guard.create(|permit| create_mbox(permit, &path, &FILE, Some(&DIRECTORY)));
                    created.expect("mounted").expect("created by one of them");
                    assert!(path.is_file());
                }
            };
            (0..8).for_each(|_| drop(scope.spawn(creator)));
        });
    });
}

#[test]
#[ignore = "needs root: gives files away"]
fn owner_and_mode_are_those_asked_for() {
    lab!(|lab| {
        let spool = lab.tmpfs("spool");
        let mounts = open(&registered(lab, &[&spool]));
        let path = spool.path().join("b/bob");
        let file = Attributes::mode(0o660).owned_by(Uid::from_raw(5000), Gid::from_raw(8));
        let directory = Attributes::mode(0o2775).owned_by(Uid::from_raw(0), Gid::from_raw(8));
        let created = guard_of_inbox(&mounts, &path)
            .create(|permit| create_mbox(permit, &path, &file, Some(&directory)));
        created.expect("mounted").expect("created");
        let there = fs::metadata(&path).expect("created");
        assert_eq!((there.uid(), there.gid(), mode(&there)), (5000, 8, 0o660));
        let above = fs::metadata(spool.path().join("b")).expect("created");
        assert_eq!((above.uid(), above.gid(), mode(&above)), (0, 8, 0o2775));
    });
}
