//! `create-maildir` and `create-mbox`: never underneath.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use fixtures::lab;

use crate::support::{Guard, text};

#[test]
fn maildir_is_created_once_with_its_mode() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        let bob = mail.path().join("bob");
        guard.must(&["create-maildir", "--mode", "0750", text(&bob)]);
        guard.must(&["create-maildir", text(&bob)]);
        for part in ["cur", "new", "tmp"] {
            let mode = fs::metadata(bob.join(part)).expect("a part of the Maildir").permissions().mode();
            assert_eq!(mode & 0o7777, 0o750, "{part}: what is there stays as it is");
        }
    });
}

#[test]
fn mbox_is_created_once_and_never_emptied() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        let inbox = mail.path().join("inbox");
        guard.must(&["create-mbox", text(&inbox)]);
        assert_eq!(fs::metadata(&inbox).expect("the mbox").permissions().mode() & 0o7777, 0o600);
        fs::write(&inbox, "From bob\n").expect("deliver");
        guard.must(&["create-mbox", text(&inbox)]);
        assert_eq!(fs::read(&inbox).expect("read"), b"From bob\n");
    });
}

#[test]
fn nothing_is_created_underneath() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let bare = lab.dir("bare");
        guard.add(&bare);
        for command in ["create-maildir", "create-mbox"] {
            let below = bare.join("x/bob");
            guard
                .run(&[command, "--parents", text(&below)])
                .fails(75, &[text(&bare), "not-mounted", "mount it"]);
            guard.run(&[command, text(&bare)]).fails(75, &[text(&bare)]);
        }
        assert_eq!(fs::read_dir(&bare).expect("list").count(), 0);
    });
}

#[test]
fn parents_are_created_only_on_demand() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        for (command, name) in [("create-maildir", "a/Maildir"), ("create-mbox", "b/inbox")] {
            let path = mail.path().join(name);
            guard.run(&[command, text(&path)]).fails(74, &["No such file"]);
            guard.must(&[command, "--parents", text(&path)]);
            let parent = fs::metadata(path.parent().expect("has a parent")).expect("the parent");
            assert_eq!(parent.permissions().mode() & 0o7777, 0o700);
        }
    });
}

#[test]
#[ignore = "needs root: another owner"]
fn mailbox_belongs_to_its_owner() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        let (bob, inbox) = (mail.path().join("bob"), mail.path().join("inbox"));
        guard.must(&["create-maildir", "--owner", "4711:4712", text(&bob)]);
        guard.must(&["create-mbox", "--owner", "nobody", text(&inbox)]);
        for path in [bob.clone(), bob.join("cur")] {
            let metadata = fs::metadata(path).expect("stat");
            assert_eq!((metadata.uid(), metadata.gid()), (4711, 4712));
        }
        assert_eq!(fs::metadata(&inbox).expect("stat").uid(), 65534);
        guard
            .run(&["create-mbox", "--owner", "no-such-user", text(&inbox)])
            .fails(64, &["no-such-user", "number"]);
    });
}
