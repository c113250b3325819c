//! What a guard of a store does, whatever the format.

mod common;

use std::fs;
use std::path::PathBuf;

use common::Opened;
use fixtures::lab;
use fixtures::lab::{Lab, Mount};
use fixtures::registry::Registry;
use mount_core::{Cause, Layout, Mounts, Operation, Permit, Refusal, StoreGuard};
use nix::errno::Errno;
use nix::mount::umount;

/// A store that has a filesystem for each operation, named like it, to tell by which one is missed.
struct Spread {
    mounts: Vec<(Operation, Mount)>,
}

impl Spread {
    fn new(lab: &Lab) -> (Spread, Mounts) {
        let mounted = |operation: &Operation| (*operation, lab.tmpfs(operation.as_str()));
        let mounts: Vec<_> = Operation::ALL.iter().map(mounted).collect();
        let registry = Registry::of_mounts(lab, &mounts.iter().map(|(_, mount)| mount).collect::<Vec<_>>());
        (Spread { mounts }, registry.open())
    }

    fn mount(&self, wanted: Operation) -> &Mount {
        &self.mounts.iter().find(|(operation, _)| *operation == wanted).expect("each has one").1
    }
}

impl Layout for &Spread {
    fn paths_for(&self, operation: Operation) -> Vec<PathBuf> {
        vec![self.mount(operation).path().join("bob")]
    }
}

type Work = fn(&StoreGuard<'_, &Spread>, &mut bool) -> Result<(), Refusal>;

const NAMED: [(Operation, Work); 6] = [
    (Operation::Rebuild, |guard, ran| guard.rebuild(|_| *ran = true)),
    (Operation::Create, |guard, ran| guard.create(|_| *ran = true)),
    (Operation::Deliver, |guard, ran| guard.deliver(|_| *ran = true)),
    (Operation::ReadAlt, |guard, ran| guard.read_alt(|_| *ran = true)),
    (Operation::Delete, |guard, ran| guard.delete(|_| *ran = true)),
    (Operation::Sync, |guard, ran| guard.sync(|_| *ran = true)),
];

#[test]
fn each_operation_runs_exactly_while_its_paths_are_there() {
    lab!(|lab| {
        let (store, mounts) = Spread::new(lab);
        let guard = StoreGuard::new(&mounts, &store);
        for (away, mount) in &store.mounts {
            mount.take_away();
            for (operation, work) in NAMED {
                let mut ran = false;
                let answer = work(&guard, &mut ran);
                assert_eq!(answer.is_ok(), operation != *away, "{operation} without {away}");
                assert_eq!(ran, answer.is_ok(), "{operation}: refused means not begun");
                let refusal = answer.err();
                assert!(refusal.is_none_or(|refusal| refusal.operation() == operation), "{operation}");
            }
            mount.bring_back();
        }
    });
}

#[test]
fn permit_is_for_the_operation_and_refusal_names_the_mountpoint() {
    lab!(|lab| {
        let (store, mounts) = Spread::new(lab);
        let guard = StoreGuard::new(&mounts, &store);
        let permit = guard.authorize(Operation::Open).expect("mounted");
        assert_eq!(permit.operation(), Operation::Open);
        let open = store.mount(Operation::Open);
        assert_eq!(permit.mountpoints().collect::<Vec<_>>(), [open.path()]);
        drop(permit);
        open.take_away();
        let refusal = guard.authorize(Operation::Open).err().expect("away");
        assert_eq!(refusal.mountpoint(), Some(open.path()));
    });
}

#[test]
fn paths_of_the_callers_own_are_all_that_is_asked_for() {
    lab!(|lab| {
        let (store, mounts) = Spread::new(lab);
        let guard = StoreGuard::new(&mounts, &store);
        store.mount(Operation::Delete).take_away();
        let own = [store.mount(Operation::Open).path().join("bob")];
        let permit = guard.authorize_paths(Operation::Delete, &own);
        assert_eq!(permit.as_ref().map(Permit::operation).ok(), Some(Operation::Delete));
        let missing = guard.layout().paths_for(Operation::Delete);
        assert!(guard.authorize_paths(Operation::Delete, &missing).is_err());
    });
}

#[test]
fn mount_is_busy_during_guarded_work_and_free_right_after() {
    lab!(|lab| {
        let (store, mounts) = Spread::new(lab);
        let path = store.mount(Operation::Rebuild).path();
        let during = StoreGuard::new(&mounts, &store).rebuild(|_| umount(path));
        assert_eq!(during.expect("mounted"), Err(Errno::EBUSY));
        assert_eq!(umount(path), Ok(()));
    });
}

#[test]
fn success_is_not_answered_when_a_mount_went_away_meanwhile() {
    lab!(|lab| {
        let (store, mounts) = Spread::new(lab);
        let mount = store.mount(Operation::Rebuild);
        let answer = StoreGuard::new(&mounts, &store).rebuild(|_| mount.take_away_lazily());
        let refusal = answer.expect_err("its result is worth nothing");
        assert!(matches!(refusal.cause(), Cause::Vanished), "{refusal}");
        assert_eq!(refusal.mountpoint(), Some(mount.path()));
        assert_eq!(fs::read_dir(mount.path()).expect("the bare directory").count(), 0);
    });
}
