//! Whether the filesystem that is mounted is the recorded one.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::Opened;
use fixtures::lab;
use fixtures::lab::{Lab, Mount};
use fixtures::registry::Registry;
use mount_core::registry::{Entry, Options, Pattern, Store};
use mount_core::{Presence, State};

/// Registers what is mounted there now, identity required, as `mountguard add --require-identity` does.
fn record(registry: &Registry, mountpoint: &Path) {
    let found = registry.open().examine(mountpoint).filesystem.expect("mounted");
    let mut options = Options::default();
    options.record(&found);
    options.require_identity(true);
    let pattern = Pattern::parse(mountpoint).expect("a path to register").into_owned();
    let entry = Entry { options, ..Entry::new(pattern, State::Online) };
    Store::new(registry.directories()).update(|list| list.insert(entry)).expect("register");
}

fn presence(registry: &Registry, mountpoint: &Path) -> Presence {
    registry.open().presence(mountpoint)
}

/// What udev would note of the device behind a mountpoint.
fn note(mountpoint: &Path, uuid: &str) {
    let device = fs::metadata(mountpoint).expect("stat the mount root").dev();
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    fs::create_dir_all("/run/udev/data").expect("a directory for udev's notes");
    let notes = format!("S:disk/by-uuid/{uuid}\nE:ID_FS_TYPE=ext4\nE:ID_FS_UUID={uuid}\n");
    fs::write(format!("/run/udev/data/b{major}:{minor}"), notes).expect("write udev's notes");
}

/// A filesystem, registered while udev had its UUID.
fn recorded_by_uuid(lab: &Lab, uuid: &str) -> (Mount, Registry) {
    let mail = lab.ext4("srv/mail");
    lab.tmpfs("/run");
    let registry = Registry::in_lab(lab);
    note(mail.path(), uuid);
    record(&registry, mail.path());
    (mail, registry)
}

#[test]
#[ignore = "needs root: loop devices"]
fn filesystem_is_known_by_its_uuid_whatever_its_device_is_called() {
    lab!(|lab| {
        let (mail, registry) = recorded_by_uuid(lab, "cafe-0001");
        assert_eq!(presence(&registry, mail.path()), Presence::Mounted);
        note(mail.path(), "beef-0002");
        let Presence::WrongFilesystem(why) = presence(&registry, mail.path()) else {
            panic!("another UUID is another filesystem");
        };
        assert_eq!(why, "uuid cafe-0001 expected, beef-0002 found");
    });
}

/// Debian runs Dovecot with a `/dev` of its own, without links to disks.
#[test]
#[ignore = "needs root: loop devices"]
fn filesystem_whose_uuid_cannot_be_told_here_is_known_by_its_source() {
    lab!(|lab| {
        let (mail, registry) = recorded_by_uuid(lab, "cafe-0001");
        fs::remove_dir_all("/run/udev").expect("hide udev's notes");
        lab.tmpfs("/dev");
        assert_eq!(presence(&registry, mail.path()), Presence::Mounted);
        mail.take_away();
        lab.tmpfs("srv/mail");
        assert!(matches!(presence(&registry, mail.path()), Presence::WrongFilesystem(_)));
    });
}
