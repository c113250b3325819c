//! Paths of which a part is missing, as a process judges them that has asked often: its walk goes by what is registered
//! and doesn't find out how much of such a path exists.

mod common;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::Opened;
use fixtures::lab;
use fixtures::lab::{Lab, Mount};
use fixtures::registry::Registry;
use mount_core::{Mounts, Operation, State};

/// More questions than are answered without a table of all mountpoints.
const OFTEN: usize = 20;

/// The mountpoint for which a path is refused; the first time, and when all that is known of it is remembered.
fn blamed(mounts: &Mounts, path: impl AsRef<Path>) -> Option<PathBuf> {
    let ask = || mounts.verdict(Operation::Create, path.as_ref()).err();
    let mut blamed = (0..OFTEN).map(|_| ask().map(|refusal| refusal.mountpoint().expect("one").to_owned()));
    let first = blamed.next().expect("asked");
    assert!(blamed.all(|later| later == first), "{:?}", path.as_ref());
    first
}

/// The same with mail on a filesystem whose missing names are in the kernel's cache, and on one that has to be asked.
fn missing_parts_are_judged_by_what_the_path_leads_through(lab: &Lab, mail: &Mount) {
    let away = lab.dir("srv/away");
    let nested = lab.tmpfs(mail.path().join("nested"));
    let inner = lab.dir("srv/mail/inner");
    lab.dir("srv/mail/bob");
    symlink(&away, mail.path().join("absolute")).expect("a symlink");
    symlink("../../away", mail.path().join("bob/relative")).expect("a symlink");
    symlink(&away, nested.path().join("out")).expect("a symlink in another filesystem");
    let registry = Registry::in_lab(lab);
    for registered in [mail.path(), &away, &inner, &mail.path().join("none")] {
        registry.register(registered, State::Online);
    }
    let mounts = registry.register(lab.path("srv/mail/scratch"), State::Ignore).open();
    let of = |path: &str| blamed(&mounts, mail.path().join(path));
    for permitted in ["new", "bob/new/a/b", "nested/new", "scratch/new", "bob/new/../../other"] {
        assert_eq!(of(permitted), None, "{permitted}");
    }
    for led_away in ["absolute/new", "bob/relative/a/b", "nested/out/new"] {
        assert_eq!(of(led_away), Some(away.clone()), "{led_away}");
    }
    assert_eq!(of("inner/new"), Some(inner));
    assert_eq!(of("none/new"), Some(mail.path().join("none")));
    mail.take_away_lazily();
    assert_eq!(of("new"), Some(mail.path().to_owned()));
    mail.bring_back();
    assert_eq!(of("new"), None);
}

#[test]
fn missing_parts_are_judged_by_what_the_path_leads_through_on_tmpfs() {
    lab!(|lab| missing_parts_are_judged_by_what_the_path_leads_through(lab, &lab.tmpfs("srv/mail")));
}

#[test]
#[ignore = "needs root: loop devices"]
fn missing_parts_are_judged_by_what_the_path_leads_through_on_ext4() {
    lab!(|lab| missing_parts_are_judged_by_what_the_path_leads_through(lab, &lab.ext4("srv/mail")));
}

/// A symlink that takes the place of what was missing is seen, whatever was remembered.
#[test]
fn what_was_missing_may_become_a_symlink() {
    lab!(|lab| {
        let (mail, away) = (lab.tmpfs("srv/mail"), lab.dir("srv/away"));
        let registry = Registry::in_lab(lab);
        let mounts = registry.register(mail.path(), State::Online).register(&away, State::Online).open();
        let new = mail.path().join("new/mailboxes");
        assert_eq!(blamed(&mounts, &new), None);
        symlink(&away, mail.path().join("new")).expect("a symlink");
        assert_eq!(blamed(&mounts, &new), Some(away));
    });
}
