//! Arguments and directories that make no sense: each has its exit code, and a text that says what to do.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use fixtures::lab;

use crate::support::{Guard, text};

#[test]
fn path_that_cannot_be_one_is_usage() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let long = format!("/{}", "x".repeat(5000));
        for command in ["add", "remove", "state", "status", "check", "create-maildir", "create-mbox"] {
            guard.run(&[command, "srv/mail"]).fails(64, &["\"srv/mail\"", "relative", "name it from /"]);
            guard.run(&[command, ""]).fails(64, &["\"\"", "empty", "name an absolute path"]);
            guard.run(&[command, &long]).fails(64, &["/xxxx", "4095", "name a shorter one"]);
        }
    });
}

#[test]
fn time_that_is_no_number_or_longer_than_anybody_waits_is_usage() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        for time in ["0", "-1", "NaN", "soon", "1e19"] {
            guard.run(&["status", "--timeout", time]).fails(64, &[time, "seconds", "a year"]);
            guard.run(&["watch", "--interval", time]).fails(64, &[time, "seconds", "a year"]);
        }
    });
}

#[test]
fn one_directory_for_both_registries_is_usage() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let link = lab.path("link");
        symlink(&guard.state, &link).expect("make a symlink");
        let mail = lab.tmpfs("mail");
        for run in [&guard.state, &link] {
            let arguments = ["add", "--run-dir", text(run), text(mail.path())];
            guard.run(&arguments).fails(64, &[text(run), "one directory", "--run-dir"]);
        }
        assert!(!guard.persistent().exists());
        assert_eq!(guard.must(&["state", "--run-dir", text(&link)]), "", "nothing is registered");
    });
}

#[test]
fn root_directory_cannot_be_registered_but_judged() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard.run(&["add", "/"]).fails(64, &["\"/\"", "root directory", "give the directory"]);
        guard.run(&["add", "/*", "ignore"]).fails(64, &["\"/*\"", "root directory"]);
        guard.must(&["check", "/"]);
    });
}

#[test]
fn wildcard_in_the_middle_is_usage() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        for path in ["/srv/*/mail", "/srv/ma*", "/srv/*/*"] {
            guard.run(&["add", path]).fails(64, &[path, "wildcard", "as in /srv/mail/*"]);
        }
    });
}

#[test]
fn unknown_words_list_the_known_ones() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        let mail = text(mail.path());
        guard.run(&["add", mail, "onlien"]).fails(64, &["\"onlien\"", "online, offline, failover, ignore"]);
        guard.run(&["check", "--for", "purge", mail]).fails(64, &["\"purge\"", "deliver"]);
        guard.run(&["mount", mail]).fails(64, &["\"mount\"", "create-maildir"]);
        guard.run(&["state", "--format", "xml"]).fails(64, &["\"xml\"", "table, tab, json"]);
        guard.run(&["check", "--fro", "open", mail]).fails(64, &["--fro", "mountguard check --help"]);
        guard.run::<&str>(&[]).fails(64, &["no command", "mountguard --help"]);
        guard.run(&["check"]).fails(64, &["no path", "mountguard check --help"]);
        guard.run(&["remove", mail, mail]).fails(64, &[mail, "one argument too many"]);
        guard.run(&["exec", mail]).fails(64, &["no command to run", "after --"]);
    });
}

#[test]
fn what_is_no_directory_cannot_be_a_mountpoint() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let file = lab.path("file");
        File::create(&file).expect("create a file");
        guard.run(&["add", text(&file)]).fails(65, &[text(&file), "not a directory", "name the directory"]);
        let below = file.join("mail");
        guard.run(&["add", text(&below)]).fails(65, &[text(&below), "does not exist", "--not-mounted"]);
    });
}

#[test]
fn symlinks_to_nowhere_and_in_circles_are_unusable() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (dangling, circle) = (lab.path("dangling"), lab.path("circle"));
        symlink(lab.path("nowhere"), &dangling).expect("make a symlink");
        symlink(&circle, &circle).expect("make a symlink");
        let target = lab.path("nowhere");
        guard.run(&["add", text(&dangling)]).fails(65, &[text(&dangling), text(&target), "does not exist"]);
        guard.run(&["add", text(&circle)]).fails(65, &[text(&circle), "symlinks lead in a circle", "mend"]);
    });
}

#[test]
fn bare_directory_is_registered_only_on_demand() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let bare = lab.dir("bare");
        guard
            .run(&["add", text(&bare)])
            .fails(65, &[text(&bare), "not mounted", "mount its filesystem", "--not-mounted"]);
        guard.must(&["add", "--not-mounted", text(&bare)]);
        let missing = lab.path("missing");
        guard.run(&["add", text(&missing)]).fails(65, &[text(&missing), "does not exist", "--not-mounted"]);
        guard.must(&["add", "--not-mounted", text(&missing)]);
        let identity = ["add", "--not-mounted", "--require-identity", text(&bare)];
        guard.run(&identity).fails(65, &[text(&bare), "identity", "mount it first"]);
    });
}

#[test]
fn duplicate_is_told_with_its_state() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        let mail = text(mail.path());
        guard.must(&["add", mail]);
        guard.run(&["add", mail]).fails(65, &[mail, "already, as online", "mountguard state"]);
        guard.run(&["add", mail, "offline"]).fails(65, &[mail, "already, as online", "offline"]);
        assert_eq!(guard.must(&["state"]), format!("{mail}\tonline\n"), "neither changed it");
        lab.overlay("mail");
        guard.run(&["add", mail, "offline"]).fails(65, &[mail, "already, as online", "offline"]);
        assert!(guard.text().contains("fstype=tmpfs"), "another filesystem is recorded by a plain add only");
    });
}

#[test]
fn unregistered_mountpoints_are_66() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let bare = lab.dir("bare");
        let bare = text(&bare);
        guard.run(&["remove", bare]).fails(66, &[bare, "not registered", "mountguard add"]);
        guard.run(&["state", bare]).fails(66, &[bare, "not registered"]);
        guard.run(&["state", bare, "offline"]).fails(66, &[bare, "not registered"]);
        guard.run(&["status", bare]).fails(66, &[bare, "mountguard add"]);
        guard.run(&["audit", bare]).fails(66, &[bare, "mountguard add"]);
    });
}

#[test]
fn views_that_exclude_each_other_and_processes_that_are_not_there() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard
            .run(&["--pid", "1", "--mountinfo", "/proc/self/mountinfo", "status"])
            .fails(64, &["--pid", "leave one out"]);
        guard
            .run(&["--pid", "999999999", "status"])
            .fails(65, &["999999999", "does not exist", "name one that runs"]);
        guard.run(&["--pid", "self", "status"]).fails(64, &["\"self\"", "process id"]);
        guard.run(&["--mountinfo", "/nowhere", "status"]).fails(74, &["/nowhere"]);
        fs::write(lab.path("table"), "no mount table\n").expect("write a file");
        let table = lab.path("table");
        guard.run(&["--mountinfo", text(&table), "status"]).fails(65, &[text(&table), "line 1"]);
        let create = ["--mountinfo", "/proc/self/mountinfo", "create-mbox", "/srv/inbox"];
        guard.run(&create).fails(64, &["recorded table", "leave --mountinfo out"]);
    });
}

#[test]
fn without_proc_mounts_are_judged_all_the_same() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        lab.tmpfs("/proc");
        let inside = mail.path().join("bob");
        guard.must(&["check", text(&inside)]);
        assert!(guard.must(&["status"]).contains("\tmounted\ttmpfs\t"));
        mail.take_away();
        guard.run(&["check", text(&inside)]).fails(75, &[text(mail.path()), "not-mounted", "mount it"]);
        guard.run(&["--pid", "1", "check", text(&inside)]).fails(74, &["/proc"]);
    });
}

#[test]
#[ignore = "needs root: another user"]
fn whoever_is_not_root_may_look_but_not_write() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (mail, bare) = (lab.tmpfs("mail"), lab.dir("bare"));
        guard.add(mail.path());
        let (mail, bare) = (text(mail.path()), text(&bare));
        guard.run_as_nobody(&["add", "--not-mounted", bare]).fails(77, &["mounts.lock", "run it as root"]);
        guard.run_as_nobody(&["state", mail, "offline"]).fails(77, &["run it as root"]);
        guard.run_as_nobody(&["remove", mail]).fails(77, &["run it as root"]);
        guard.run_as_nobody(&["audit"]).fails(77, &[mail, "CAP_SYS_ADMIN", "run it as root"]);
        guard.run_as_nobody(&["--pid", "1", "status"]).fails(77, &["root"]);
        assert_eq!(guard.run_as_nobody(&["state"]).out, format!("{mail}\tonline\n"));
        assert!(guard.run_as_nobody(&["status"]).out.contains("\tmounted\ttmpfs\t"));
        assert_eq!(guard.run_as_nobody(&["check", mail]).code, Some(0));
    });
}
