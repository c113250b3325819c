//! `add`, `remove` and `state`, there and back.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use fixtures::lab;

use crate::support::{Guard, text};

#[test]
fn mountpoint_is_added_set_removed_and_revived() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        let mail = text(mail.path());
        guard.must(&["add", mail]);
        assert_eq!(guard.must(&["state", mail]), format!("{mail}\tonline\n"));
        guard.must(&["state", mail, "failover"]);
        assert_eq!(guard.must(&["state"]), format!("{mail}\tfailover\n"));
        guard.must(&["remove", mail]);
        assert_eq!(guard.must(&["state", "--all"]), "");
        guard.run(&["remove", mail]).fails(66, &[mail]);
        guard.run(&["add", mail, "offline"]).succeeds(&[mail, "had been removed"]);
        assert_eq!(guard.must(&["state"]), format!("{mail}\toffline\n"));
    });
}

#[test]
fn filesystem_is_recorded_and_any_other_accepted() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        let path = text(mail.path());
        guard.must(&["add", path]);
        assert!(
            guard.text().contains(&format!("online {path}\tfstype=tmpfs\tsource=lab\troot=/\tmode=rw\n"))
        );
        mail.take_away();
        lab.overlay("mail");
        guard.must(&["check", path]);
    });
}

#[test]
fn required_identity_refuses_another_filesystem_until_it_is_added() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        let path = text(mail.path());
        guard.must(&["add", "--require-identity", path]);
        mail.take_away();
        lab.overlay("mail");
        guard
            .run(&["check", path])
            .fails(75, &["wrong-filesystem", "tmpfs expected, overlay found", "mountguard add"]);
        guard.run(&["add", path]).succeeds(&[path, "registered already", "recorded"]);
        guard.must(&["check", path]);
        assert!(guard.text().contains("fstype=overlay"), "{}", guard.text());
        assert!(guard.text().contains("identity=required"), "the demand stays: {}", guard.text());
        guard.run(&["add", path]).fails(65, &["registered already, as online"]);
    });
}

#[test]
fn part_of_a_filesystem_is_guarded_by_identity() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        lab.dir("pool/mail");
        lab.dir("pool/other");
        let mail = lab.bind("pool/mail", "mail");
        let path = text(mail.path());
        guard.run(&["add", path]).succeeds(&[path, "(/pool/mail)", "--any-filesystem"]);
        mail.take_away();
        let other = lab.bind("pool/other", "mail");
        guard.run(&["check", path]).fails(75, &["wrong-filesystem", "/pool/mail expected"]);
        guard.must(&["add", "--any-filesystem", path]);
        guard.must(&["check", path]);
        other.take_away();
        lab.bind("pool/mail", "mail");
        guard.must(&["check", path]);
    });
}

#[test]
fn read_only_filesystem_in_place_of_a_writable_one_can_be_accepted() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        let path = text(mail.path());
        guard.must(&["add", path]);
        mail.remount_read_only();
        guard.must(&["check", path]);
        guard.run(&["check", "--for", "deliver", path]).fails(75, &["read-only", "mountguard add"]);
        assert!(guard.must(&["status"]).contains("read-only, but read-write was recorded"));
        guard.must(&["add", path]);
        guard.must(&["check", "--for", "deliver", path]);
    });
}

#[test]
fn symlink_is_registered_as_where_it_leads() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("srv/mail");
        let link = lab.path("link");
        symlink("srv/mail", &link).expect("make a symlink");
        guard.run(&["add", text(&link)]).succeeds(&[text(&link), text(mail.path()), "by symlinks"]);
        let listed = format!("{}\tonline\n", text(mail.path()));
        assert_eq!(guard.must(&["state"]), listed);
        assert_eq!(guard.must(&["state", text(&link)]), listed);
        guard.must(&["remove", text(&link)]);
        assert_eq!(guard.must(&["state"]), "");
    });
}

#[test]
fn ignored_mountpoints_are_hidden_unless_asked_for() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.must(&["add", "/mnt/*", "ignore"]);
        guard.must(&["add", text(mail.path())]);
        let online = format!("{}\tonline\n", text(mail.path()));
        assert_eq!(guard.must(&["state"]), online);
        assert_eq!(guard.must(&["state", "--all"]), format!("/mnt/*\tignore\n{online}"));
        assert_eq!(guard.must(&["state", "/mnt/*"]), "/mnt/*\tignore\n");
        guard.must(&["remove", "/mnt/*"]);
        assert_eq!(guard.must(&["state", "--all"]), online);
    });
}

#[test]
fn odd_names_survive_the_round_trip() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let odd = std::ffi::OsStr::from_bytes(b"a b\t\\\n\xff");
        let mail = lab.tmpfs(odd);
        guard.add(mail.path());
        assert_eq!(guard.must(&["state"]), "/media/a\\040b\\011\\134\\012\\377\tonline\n");
        let check = [std::ffi::OsStr::new("check"), mail.path().as_os_str()];
        guard.must(&check);
        mail.take_away();
        assert_eq!(guard.run(&check).code, Some(75));
        guard.must(&[std::ffi::OsStr::new("remove"), mail.path().as_os_str()]);
        assert_eq!(guard.must(&["state"]), "");
    });
}

#[test]
fn edit_by_hand_counts_from_the_next_look_on() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        let edited = guard.text().replace("online ", "offline ");
        fs::write(guard.persistent(), edited).expect("edit the registry");
        assert_eq!(guard.must(&["state"]), format!("{}\toffline\n", text(mail.path())));
        guard.run(&["check", text(mail.path())]).fails(75, &["set offline"]);
    });
}
