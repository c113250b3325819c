//! `check` and `status`: verdicts and the whole picture, here, elsewhere and on record.

use std::fs;

use fixtures::lab;
use fixtures::lab::{Call, Lab};

use crate::support::{Guard, text};

#[test]
fn all_refusals_are_told_at_once() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (mail, index, alt) = (lab.tmpfs("mail"), lab.dir("index"), lab.dir("alt"));
        for path in [mail.path(), &index, &alt] {
            guard.add(path);
        }
        let outcome = guard.run(&["check", text(mail.path()), text(&index), text(&alt)]);
        outcome.fails(75, &[text(&index), text(&alt)]);
        assert_eq!(outcome.err.lines().count(), 2, "{outcome:?}");
    });
}

#[test]
fn nothing_registered_permits_everything() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard.must(&["check", "--for", "delete", "/srv/mail/bob"]);
        assert_eq!(guard.must(&["status"]), "");
        assert_eq!(guard.must(&["state", "--format", "json"]), "[]\n");
    });
}

#[test]
fn status_of_any_path_is_that_of_its_covering_mountpoint() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (mail, inner) = (lab.tmpfs("mail"), lab.tmpfs("mail/inner"));
        guard.add(mail.path());
        guard.add(inner.path());
        let row = |path: &str| guard.must(&["status", path]);
        let of = |path: &str| format!("{path}\tonline\tmounted\ttmpfs\tlab\t-\t-\n");
        assert_eq!(row("/media/mail/bob/x"), of("/media/mail"));
        assert_eq!(row("/media/mail/inner/x"), of("/media/mail/inner"));
        assert_eq!(row("/media/mail/innermost"), of("/media/mail"));
        guard.must(&["state", "/media/mail/inner", "ignore"]);
        assert_eq!(row("/media/mail/inner/x"), of("/media/mail"), "an ignored one decides nothing");
    });
}

#[test]
fn status_lists_the_children_of_a_wildcard() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        lab.tmpfs("tank/ann");
        lab.dir("tank/bob");
        guard.must(&["add", "/media/tank/*"]);
        let expected = "/media/tank/*\tonline\t-\t-\t-\t-\teach directory in it is a mountpoint\n\
                        /media/tank/ann\tonline\tmounted\ttmpfs\tlab\t-\t-\n\
                        /media/tank/bob\tonline\tnot-mounted\t-\t-\t-\tnothing is mounted there\n";
        assert_eq!(guard.must(&["status"]), expected);
        guard.must(&["check", "/media/tank/ann/x"]);
        guard.run(&["check", "/media/tank/bob/x"]).fails(75, &["/media/tank/bob"]);
    });
}

#[test]
fn recorded_table_is_judged_instead_of_the_live_one() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        let table = lab.path("table");
        fs::copy("/proc/self/mountinfo", &table).expect("record the mount table");
        mail.take_away();
        let (table, path) = (text(&table), text(mail.path()));
        guard.run(&["check", path]).fails(75, &["not-mounted"]);
        guard.must(&["--mountinfo", table, "check", path]);
        assert!(guard.must(&["--mountinfo", table, "status"]).contains("\tmounted\ttmpfs\tlab\t"));
    });
}

#[test]
#[ignore = "needs root: another mount namespace"]
fn mounts_of_another_process_are_judged() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.dir("mail");
        guard.add(&mail);
        let service = lab.tmpfs_in_another_namespace("mail");
        let (pid, path) = (service.pid().to_string(), text(&mail));
        guard.run(&["check", path]).fails(75, &["not-mounted"]);
        guard.must(&["--pid", &pid, "check", path]);
        assert!(guard.must(&["--pid", &pid, "status"]).contains("\tmounted\ttmpfs\tlab\t"));
        guard.must(&["--pid", &pid, "add", path]);
        assert!(guard.text().contains("fstype=tmpfs"), "written here, though judged there: {}", guard.text());
        guard.must(&["--pid", &pid, "create-maildir", &format!("{path}/bob")]);
        assert!(!mail.join("bob").exists(), "created there, not here");
        let list = ["--pid", &pid, "exec", path, "--", "ls", path];
        assert_eq!(guard.must(&list), "bob\n");
    });
}

/// There is no `/proc` in its root directory.
fn process_with_another_root_is_judged(lab: &Lab) {
    let guard = Guard::new(lab);
    let jail = lab.tmpfs("jail");
    lab.tmpfs("jail/srv/mail");
    guard.must(&["add", "--not-mounted", "/srv/mail"]);
    let service = fixtures::lab::Background::start(|mut line| {
        use std::io::Write;
        std::os::unix::fs::chroot(jail.path()).expect("chroot");
        line.write_all(b"+").expect("report");
        loop {
            std::thread::park();
        }
    });
    guard.run(&["check", "/srv/mail"]).fails(75, &["not-mounted"]);
    let pid = service.pid().to_string();
    guard.must(&["--pid", &pid, "check", "/srv/mail"]);
    guard.must(&["--pid", &pid, "add", "/srv/mail"]);
    assert!(guard.text().contains("fstype=tmpfs\tsource=lab"), "there is no registry in the jail");
    service.kill();
}

#[test]
#[ignore = "needs root: chroot"]
fn root_directory_of_another_process_counts() {
    lab!(process_with_another_root_is_judged);
}

#[test]
#[ignore = "needs root: chroot"]
fn root_directory_of_another_process_counts_where_the_mount_table_has_to_be_read() {
    lab!(|lab| {
        lab.without(Call::MISSING_BEFORE_6_8);
        process_with_another_root_is_judged(lab);
    });
}
