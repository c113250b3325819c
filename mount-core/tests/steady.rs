//! What is remembered from one question to the next, and when it must not be relied on.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use common::Opened;
use fixtures::lab;
use fixtures::lab::{Answer, Asker, Lab};
use fixtures::registry::Registry;
use mount_core::probe::ask;
use mount_core::registry::{Entry, Options, Pattern, Store};
use mount_core::table::OpenTable;
use mount_core::{Cause, Method, Mounts, Operation, Presence, State, WhenMissing};
use nix::mount::umount;
use nix::sched::{CloneFlags, setns};

const BY_TABLE_OR_BETTER: [Method; 3] = [Method::UniqueId, Method::MountId, Method::ParentChain];

fn mounts(lab: &Lab, method: Method, registered: &[&str]) -> Mounts {
    let registry = Registry::in_lab(lab);
    for path in registered {
        registry.register(lab.path(path), State::Online);
    }
    Mounts::open_with_method(&registry.directories(), WhenMissing::Refuse, method).expect("open the registry")
}

#[test]
fn renamed_parent_is_noticed_though_the_mount_table_is_silent_about_it() {
    for method in BY_TABLE_OR_BETTER {
        lab!(method.as_str(), |lab| {
            let mail = lab.tmpfs("srv/mail");
            let mounts = mounts(lab, method, &["srv/mail"]);
            let bob = mail.path().join("bob");
            for _ in 0..2 {
                mounts.verdict(Operation::Create, &bob).expect("mounted");
            }
            fs::rename(lab.path("srv"), lab.path("elsewhere")).expect("rename the parent");
            lab.dir("srv/mail/bob");
            mounts.verdict(Operation::Create, &bob).expect_err("a bare directory has taken its place");
        });
    }
}

#[test]
fn symlink_in_a_bare_directory_that_took_the_mountpoints_place_leads_nowhere() {
    for method in BY_TABLE_OR_BETTER {
        lab!(method.as_str(), |lab| {
            let mail = lab.tmpfs("srv/mail");
            symlink(lab.dir("data"), mail.path().join("bob")).expect("a symlink");
            let mounts = mounts(lab, method, &["srv/mail"]);
            mounts.verdict(Operation::Create, &mail.path().join("bob")).expect("mounted");
            fs::rename(lab.path("srv"), lab.path("elsewhere")).expect("rename the parent");
            symlink(lab.path("data"), lab.dir("srv/mail").join("bob")).expect("a symlink like it");
            mounts.verdict(Operation::Create, &mail.path().join("bob")).expect_err("a bare directory");
        });
    }
}

/// Where mount ids come again, the other one has the same.
#[test]
fn another_filesystem_in_its_place_is_noticed_in_the_epoch_of_the_first() {
    for method in BY_TABLE_OR_BETTER {
        lab!(method.as_str(), |lab| {
            let (mail, other) = (lab.tmpfs("srv/mail"), lab.overlay("srv/other"));
            let registry = Registry::in_lab(lab);
            let mut entry =
                Entry::new(Pattern::literal(mail.path()).expect("pattern").into_owned(), State::Online);
            entry.options.set(Options::FSTYPE, b"tmpfs");
            entry.options.require_identity(true);
            Store::new(registry.directories()).update(|list| list.insert(entry)).expect("register");
            let mounts = mounts(lab, method, &[]);
            let epoch = mounts.epoch();
            let ask = || mounts.verdict_since(epoch, Operation::Open, mail.path());
            ask().expect("the one that is registered");
            mail.take_away();
            lab.bind(other.path(), mail.path());
            let refusal = ask().expect_err("another one");
            assert!(matches!(refusal.cause(), Cause::Presence(Presence::WrongFilesystem(_))), "{refusal}");
        });
    }
}

#[test]
fn absence_is_not_remembered() {
    for method in BY_TABLE_OR_BETTER {
        lab!(method.as_str(), |lab| {
            let mail = lab.tmpfs("elsewhere/mail");
            let mounts = mounts(lab, method, &["srv/mail"]);
            mounts.verdict(Operation::Open, &lab.path("srv/mail")).expect_err("not there");
            fs::rename(lab.path("elsewhere"), lab.path("srv")).expect("rename the parent");
            mounts.verdict(Operation::Open, &lab.path("srv/mail")).expect("there");
            assert_eq!(mounts.presence(&lab.path("srv/mail")), Presence::Mounted);
            drop(mail);
        });
    }
}

#[test]
fn filesystem_below_that_nobody_registered_changes_nothing() {
    for method in BY_TABLE_OR_BETTER {
        lab!(method.as_str(), |lab| {
            let mail = lab.tmpfs("srv/mail");
            let below = lab.tmpfs("srv/mail/bob/big");
            let mounts = mounts(lab, method, &["srv/mail"]);
            for _ in 0..2 {
                mounts.verdict(Operation::Create, &below.path().join("new")).expect("mounted");
            }
            below.take_away();
            mail.take_away();
            lab.dir("srv/mail/bob/big");
            mounts.verdict(Operation::Create, &below.path().join("new")).expect_err("not mounted");
        });
    }
}

/// The kernel tells each open mount table of a change once, and a fork shares the open file.
#[test]
fn forked_process_takes_the_notice_of_a_change_away_from_nobody() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = Registry::in_lab(lab).register(mail.path(), State::Online).open();
        let before = mounts.epoch();
        mail.take_away_lazily();
        let changed = || {
            mounts.refresh().expect("the registry is as it was");
            mounts.epoch() != before
        };
        let in_child =
            ask(Duration::from_secs(60), || vec![u8::from(changed())]).expect("ask in a forked process");
        assert_eq!((in_child.as_slice(), changed()), ([1].as_slice(), true));
    });
}

#[test]
#[ignore = "needs root: another mount namespace"]
fn change_in_a_namespace_that_was_entered_begins_another_epoch() {
    lab!(|lab| {
        let registry = Registry::in_lab(lab);
        let mail = lab.dir("mail");
        registry.register(&mail, State::Online);
        let service = lab.tmpfs_in_another_namespace("mail");
        let pid = service.pid().as_raw();
        let judge_there = || {
            let namespace = fs::File::open(format!("/proc/{pid}/ns/mnt")).expect("its namespace");
            let table = OpenTable::of_process(pid.unsigned_abs()).expect("its mount table");
            let mounts = Mounts::open_elsewhere(&registry.directories(), WhenMissing::Refuse, &table)
                .expect("open the registry");
            setns(namespace, CloneFlags::CLONE_NEWNS).expect("enter it");
            let epoch = mounts.epoch();
            assert_eq!(mounts.epoch(), epoch, "nothing has happened");
            mounts.verdict(Operation::Create, &mail).expect("mounted there");
            umount(&mail).expect("unmount it there");
            assert_ne!(mounts.epoch(), epoch);
            mounts.verdict(Operation::Create, &mail).expect_err("not mounted any more");
            Vec::new()
        };
        assert_eq!(lab.ask(&Asker::Test, Duration::from_secs(60), judge_there), Answer::Said(Vec::new()));
    });
}
