//! Guarded work and autocreation on real mounts.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Barrier;

use fixtures::lab;
use fixtures::registry::Registry;
use guard_mbox::{MboxGuard, MboxLayout, create_mbox};
use mount_core::{Attributes, Cause, Directories, ErrorKind, Mounts, Operation, WhenMissing};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

fn open(registry: &Registry) -> Mounts {
    let directories = Directories { state: registry.state.clone(), run: registry.run.clone() };
    Mounts::open(&directories, WhenMissing::Refuse).expect("open the registry")
}

fn guard<'m>(mounts: &'m Mounts, location: &str) -> MboxGuard<'m> {
    MboxGuard::new(mounts, MboxLayout::from_mail_location(location, None).expect("a good location"))
}

/// A guard whose INBOX is the file, in a mail root that nobody minds.
fn guard_of_inbox<'m>(mounts: &'m Mounts, inbox: &Path) -> MboxGuard<'m> {
    guard(mounts, &format!("mbox:/nowhere/mail:INBOX={}", inbox.display()))
}

fn narrowed<'m>(mounts: &'m Mounts, guard: &MboxGuard<'m>, mailbox: &str) -> MboxGuard<'m> {
    MboxGuard::new(mounts, guard.layout().narrowed_to(mailbox).expect("a name"))
}

fn runs(guard: &MboxGuard<'_>, operation: Operation) -> bool {
    guard.guarded(operation, |_| ()).is_ok()
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
        let mounts = open(&Registry::of_mounts(lab, &[&mail, &spool, &index]));
        let (root, at, indexes) = (mail.path().display(), spool.path().display(), index.path().display());
        let guard = guard(&mounts, &format!("mbox:{root}/bob:INBOX={at}/bob:INDEX={indexes}/bob"));
        let (inbox, folder) = (narrowed(&mounts, &guard, "INBOX"), narrowed(&mounts, &guard, "lists"));
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
        let mounts = open(&Registry::of_mounts(lab, &[&mail, &spool]));
        let guard =
            guard(&mounts, &format!("mbox:{}:INBOX={}/bob", mail.path().display(), spool.path().display()));
        mail.take_away();
        assert!(!runs(&narrowed(&mounts, &guard, "INBOX"), Operation::Deliver));
    });
}

#[test]
fn replication_needs_everything_whatever_the_mailbox() {
    lab!(|lab| {
        let (mail, spool) = (lab.tmpfs("srv/mail"), lab.tmpfs("spool"));
        let mounts = open(&Registry::of_mounts(lab, &[&mail, &spool]));
        let guard =
            guard(&mounts, &format!("mbox:{}:INBOX={}/bob", mail.path().display(), spool.path().display()));
        spool.take_away();
        assert!(!runs(&narrowed(&mounts, &guard, "lists"), Operation::Sync));
    });
}

#[test]
fn mbox_is_created_in_the_filesystem_or_not_at_all() {
    lab!(|lab| {
        let spool = lab.tmpfs("spool");
        let mounts = open(&Registry::of_mounts(lab, &[&spool]));
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
        let mounts = open(&Registry::of_mounts(lab, &[&spool]));
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
        let mounts = open(&Registry::of_mounts(lab, &[&spool]));
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
        let mounts = open(&Registry::of_mounts(lab, &[&spool]));
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
        let registry = Registry::of_mounts(lab, &[&spool]);
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            let creator = || {
                let mounts = open(&registry);
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
        let mounts = open(&Registry::of_mounts(lab, &[&spool]));
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
