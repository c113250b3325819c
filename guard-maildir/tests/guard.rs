//! Guarded work and autocreation on real mounts.

use std::fs::{self, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use fixtures::lab;
use fixtures::registry::Registry;
use guard_maildir::{MaildirGuard, MaildirLayout, create_maildir};
use mount_core::{Attributes, Cause, Directories, ErrorKind, Mounts, Operation, Role, WhenMissing};
use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid};

fn open(registry: &Registry) -> Mounts {
    let directories = Directories { state: registry.state.clone(), run: registry.run.clone() };
    Mounts::open(&directories, WhenMissing::Refuse).expect("open the registry")
}

fn guard<'m>(mounts: &'m Mounts, root: &Path, more: &str) -> MaildirGuard<'m> {
    let location = format!("maildir:{}{more}", root.display());
    MaildirGuard::new(mounts, MaildirLayout::from_mail_location(location, None).expect("a good location"))
}

fn narrowed<'m>(mounts: &'m Mounts, guard: &MaildirGuard<'m>, mailbox: &str) -> MaildirGuard<'m> {
    MaildirGuard::new(mounts, guard.layout().narrowed_to(mailbox).expect("a name"))
}

fn runs(guard: &MaildirGuard<'_>, operation: Operation) -> bool {
    guard.guarded(operation, |_| ()).is_ok()
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).expect("a directory").count()
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

const PRIVATE: Attributes = Attributes { mode: 0o700, owner: None };

#[test]
fn closure_runs_only_while_every_directory_is_there() {
    lab!(|lab| {
        let (mail, index, control) =
            (lab.tmpfs("srv/mail"), lab.tmpfs("srv/index"), lab.tmpfs("srv/control"));
        let mounts = open(&Registry::of_mounts(lab, &[&mail, &index, &control]));
        let more = format!(":INDEX={}:CONTROL={}", index.path().display(), control.path().display());
        let guard = guard(&mounts, &mail.path().join("bob"), &more);
        for operation in Operation::ALL {
            assert!(runs(&guard, *operation), "{operation}");
            for away in [&mail, &index, &control] {
                away.take_away();
                assert!(!runs(&guard, *operation), "{operation} without {:?}", away.path());
                away.bring_back();
            }
        }
    });
}

#[test]
fn scripts_in_a_home_are_needed_for_deliveries_and_replication_only() {
    lab!(|lab| {
        let (mail, home) = (lab.tmpfs("srv/mail"), lab.tmpfs("home"));
        let mounts = open(&Registry::of_mounts(lab, &[&mail, &home]));
        let layout = MaildirLayout::from_mail_location(format!("maildir:{}", mail.path().display()), None);
        let layout = layout.expect("a good location").with(Role::Home, home.path().join("bob"));
        let guard = MaildirGuard::new(&mounts, layout.expect("absolute"));
        home.take_away();
        for operation in Operation::ALL {
            let needed = matches!(operation, Operation::Deliver | Operation::Sync);
            assert_eq!(runs(&guard, *operation), !needed, "{operation}");
        }
    });
}

#[test]
fn folders_go_on_without_an_inbox_elsewhere() {
    lab!(|lab| {
        let (mail, inbox) = (lab.tmpfs("srv/mail"), lab.tmpfs("srv/inbox"));
        let mounts = open(&Registry::of_mounts(lab, &[&mail, &inbox]));
        let guard = guard(&mounts, mail.path(), &format!(":INBOX={}", inbox.path().display()));
        inbox.take_away();
        assert!(!runs(&guard, Operation::Open));
        assert!(!runs(&narrowed(&mounts, &guard, "INBOX"), Operation::Deliver));
        let archive = narrowed(&mounts, &guard, "Archive");
        for operation in Operation::ALL {
            let whole_store = *operation == Operation::Sync;
            assert_eq!(runs(&archive, *operation), !whole_store, "{operation}");
        }
    });
}

#[test]
fn mailbox_behind_a_symlink_needs_what_it_leads_to() {
    lab!(|lab| {
        let (mail, disk) = (lab.tmpfs("srv/mail"), lab.tmpfs("disk"));
        let mounts = open(&Registry::of_mounts(lab, &[&mail, &disk]));
        symlink(disk.path().join("archive"), mail.path().join(".Archive")).expect("the link");
        let guard = guard(&mounts, mail.path(), "");
        disk.take_away();
        assert!(!runs(&narrowed(&mounts, &guard, "Archive"), Operation::Deliver));
        assert!(runs(&narrowed(&mounts, &guard, "INBOX"), Operation::Deliver));
    });
}

#[test]
fn maildir_is_created_in_the_filesystem_or_not_at_all() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = open(&Registry::of_mounts(lab, &[&mail]));
        let path = mail.path().join("bob");
        let guard = guard(&mounts, &path, "");
        mail.take_away();
        guard.create(|permit| create_maildir(permit, &path, &PRIVATE, None)).expect_err("not mounted");
        assert_eq!(entries(mail.path()), 0, "underneath");
        mail.bring_back();
        guard
            .create(|permit| create_maildir(permit, &path, &PRIVATE, None))
            .expect("mounted")
            .expect("created");
        for part in ["", "cur", "new", "tmp"] {
            let there = fs::symlink_metadata(path.join(part)).expect(part);
            assert!(there.is_dir() && mode(&there) == 0o700, "{part:?}");
        }
        assert_eq!(entries(&path), 3, "no uidlist");
    });
}

/// The moment between check and use, made as long as it takes.
#[test]
fn nothing_is_created_underneath_when_the_mount_goes_after_the_check() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = open(&Registry::of_mounts(lab, &[&mail]));
        let path = mail.path().join("bob");

        let answer = guard(&mounts, &path, "").create(|permit| {
            mail.take_away_lazily();
            create_maildir(permit, &path, &PRIVATE, None).expect("the detached filesystem takes it");
        });
        assert!(matches!(answer.expect_err("it is of no use").cause(), Cause::Vanished));
        assert_eq!(entries(mail.path()), 0, "underneath");

        mail.bring_back();
        assert_eq!(entries(&path), 3, "in the filesystem all the while");
        fs::remove_dir_all(&path).expect("clean up");
        mounts.verdict(Operation::Create, &path).expect("the naive check finds it mounted");
        mail.take_away_lazily();
        fs::create_dir_all(path.join("cur")).expect("and the naive creation goes where the path leads now");
        assert_eq!(entries(mail.path()), 1, "underneath");
    });
}

#[test]
fn existing_maildir_stays_as_it_is_and_an_incomplete_one_is_completed() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = open(&Registry::of_mounts(lab, &[&mail]));
        let path = mail.path().join("bob");
        fs::create_dir_all(path.join("new")).expect("half a Maildir");
        fs::set_permissions(&path, Permissions::from_mode(0o2750)).expect("a mode of its own");
        fs::write(path.join("new/1"), "mail").expect("a mail");
        for _ in 0..2 {
            let guard = guard(&mounts, &path, "");
            guard
                .create(|permit| create_maildir(permit, &path, &PRIVATE, None))
                .expect("mounted")
                .expect("fine");
        }
        assert_eq!(mode(&fs::metadata(&path).expect("there")), 0o2750);
        assert_eq!(fs::read(path.join("new/1")).expect("there"), b"mail");
        assert!(path.join("cur").is_dir() && path.join("tmp").is_dir());
    });
}

#[test]
fn parents_are_created_as_asked_or_must_exist() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = open(&Registry::of_mounts(lab, &[&mail]));
        let path = mail.path().join("example.org/b/bob");
        let guard = guard(&mounts, &path, "");
        let error = guard.create(|permit| create_maildir(permit, &path, &PRIVATE, None)).expect("mounted");
        assert_eq!(error.expect_err("no parent").errno(), Some(Errno::ENOENT as i32));
        assert_eq!(entries(mail.path()), 0);

        let parents = Attributes::mode(0o751);
        let created = guard.create(|permit| create_maildir(permit, &path, &PRIVATE, Some(&parents)));
        created.expect("mounted").expect("created");
        for (parent, expected) in
            [("example.org", 0o751), ("example.org/b", 0o751), ("example.org/b/bob", 0o700)]
        {
            assert_eq!(mode(&fs::metadata(mail.path().join(parent)).expect(parent)), expected, "{parent}");
        }
    });
}

#[test]
fn something_else_in_its_place_is_an_error() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = open(&Registry::of_mounts(lab, &[&mail]));
        let path = mail.path().join("bob");
        fs::write(&path, "").expect("a file");
        let guard = guard(&mounts, &path, "");
        let error = guard.create(|permit| create_maildir(permit, &path, &PRIVATE, None)).expect("mounted");
        assert_eq!(error.expect_err("a file in its place").kind(), ErrorKind::Io);
        let elsewhere = guard.create(|permit| create_maildir(permit, &lab.path("etc/x"), &PRIVATE, None));
        assert!(elsewhere.expect("mounted").is_err(), "the permit doesn't speak of it");
    });
}

#[test]
fn umask_plays_no_part() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = open(&Registry::of_mounts(lab, &[&mail]));
        for mask in [0o000, 0o077, 0o777] {
            umask(Mode::from_bits_truncate(mask));
            let path = mail.path().join(format!("{mask:o}"));
            let attributes = Attributes::mode(0o2770);
            let created =
                guard(&mounts, &path, "").create(|permit| create_maildir(permit, &path, &attributes, None));
            created.expect("mounted").expect("created");
            assert_eq!(mode(&fs::metadata(path.join("cur")).expect("there")), 0o2770, "umask {mask:o}");
        }
    });
}

#[test]
fn concurrent_creators_all_succeed() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let registry = Registry::of_mounts(lab, &[&mail]);
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            let creator = || {
                let mounts = open(&registry);
                for user in 0..100 {
                    let path = mail.path().join(format!("d/{user}"));
                    let guard = guard(&mounts, &path, "");
                    barrier.wait();
                    let created =
                        guard.create(|permit| create_maildir(permit, &path, &PRIVATE, Some(&PRIVATE)));
                    created.expect("mounted").expect("created by one of them");
                    assert_eq!(entries(&path), 3, "whole for each");
                }
            };
            (0..8).for_each(|_| drop(scope.spawn(creator)));
        });
    });
}

/// Owner and mode that let a group in, and an observer who looks all the time.
#[test]
#[ignore = "needs root: gives files away"]
fn nobody_can_enter_before_owner_and_mode_are_right() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let registry = Registry::of_mounts(lab, &[&mail]);
        let attributes = Attributes::mode(0o770).owned_by(Uid::from_raw(5000), Gid::from_raw(5001));
        let done = AtomicBool::new(false);
        let paths: Vec<_> = (0..300).map(|user| mail.path().join(user.to_string())).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for there in paths.iter().filter_map(|path| fs::symlink_metadata(path).ok()) {
                        let ready = (there.uid(), there.gid(), mode(&there)) == (5000, 5001, 0o770);
                        assert!(ready || mode(&there) == 0o700, "{there:?}");
                    }
                }
            });
            let mounts = open(&registry);
            for path in &paths {
                let guard = guard(&mounts, path, "");
                let created = guard.create(|permit| create_maildir(permit, path, &attributes, None));
                created.expect("mounted").expect("created");
            }
            done.store(true, Ordering::Relaxed);
        });
        for path in paths.iter().flat_map(|path| [path.clone(), path.join("cur"), path.join("tmp")]) {
            let there = fs::metadata(&path).expect("created");
            assert_eq!((there.uid(), there.gid(), mode(&there)), (5000, 5001, 0o770), "{path:?}");
        }
    });
}
