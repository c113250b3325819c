//! `status` for monitoring systems, and where Dovecot sees other mounts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use fixtures::lab;

use crate::support::{Guard, text, until};

#[test]
fn check_has_one_line_and_the_exit_code_of_the_worst() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let check = || {
            let outcome = guard.run(&["status", "--format", "nagios"]);
            assert_eq!((outcome.err.as_str(), outcome.out.lines().count()), ("", 1), "{outcome:?}");
            (outcome.code, outcome.out.trim_end().to_owned())
        };
        let of = |text: &str, present: u32, expected: u32| {
            let absent = expected - present;
            format!("MOUNTGUARD {text}|present={present};;;0;{expected} absent={absent};;;0;")
        };
        let (code, line) = check();
        assert!(code == Some(3) && line.starts_with("MOUNTGUARD UNKNOWN - there is no registry"), "{line}");
        fs::write(guard.persistent(), "# mountguard 1 generation=1\n").expect("begin an empty one");
        assert_eq!(check(), (Some(0), of("OK - 0 of 0 expected mountpoints are present", 0, 0)));
        let (mail, alt) = (lab.tmpfs("mail"), lab.tmpfs("a|t"));
        guard.must(&["add", text(mail.path())]);
        guard.must(&["add", text(alt.path())]);
        assert_eq!(check(), (Some(0), of("OK - 2 of 2 expected mountpoints are present", 2, 2)));
        mail.remount_read_only();
        let what = "WARNING - 2 of 2 expected mountpoints are present; /media/mail is read-only";
        let (code, line) = check();
        assert!(code == Some(1) && line.starts_with(&format!("MOUNTGUARD {what}")), "{line}");
        alt.take_away();
        let (code, line) = check();
        let what = "; /media/a\\174t is not-mounted (nothing is mounted there)|present=1;;;0;2 absent=1;;;0;";
        assert!(code == Some(2) && line.ends_with(what), "{line}");
        guard.must(&["state", text(alt.path()), "offline"]);
        assert_eq!(check().0, Some(1), "somebody has said that it is not to be used");
        fs::write(guard.run.join("mounts"), "# no registry\n").expect("damage it");
        let (code, line) = check();
        assert!(code == Some(3) && line.starts_with("MOUNTGUARD UNKNOWN - registry "), "{line}");
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn filesystem_that_answers_with_an_error_is_critical_and_not_present() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let fuse = lab.fuse_healthy("fuse");
        guard.add(fuse.path());
        let check = || guard.run(&["status", "--format", "nagios"]);
        assert_eq!(check().code, Some(0));
        fuse.die();
        let outcome = check();
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        let begins =
            "MOUNTGUARD CRITICAL - 0 of 1 expected mountpoints are present; /media/fuse is failing (";
        assert!(outcome.out.starts_with(begins), "{outcome:?}");
        assert!(outcome.out.contains("not connected"), "{outcome:?}");
        let metrics = guard.must(&["status", "--format", "prometheus"]);
        assert!(metrics.contains("mountguard_present{mountpoint=\"/media/fuse\"} 0\n"), "{metrics}");
        assert!(
            metrics.contains("mountguard_expected_but_absent{mountpoint=\"/media/fuse\"} 1\n"),
            "{metrics}"
        );
    });
}

#[test]
#[ignore = "needs root: another user"]
fn filesystem_that_this_user_cannot_reach_is_a_warning() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard.add(lab.tmpfs("closed/mail").path());
        fs::set_permissions(lab.path("closed"), Permissions::from_mode(0o700)).expect("close the way to it");
        let outcome = guard.run_as_nobody(&["status", "--format", "nagios"]);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        let what = "WARNING - 1 of 1 expected mountpoints are present; /media/closed/mail is out of reach (";
        assert!(outcome.out.contains(what), "{outcome:?}");
    });
}

#[test]
fn metrics_say_what_is_expected_but_absent() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let odd = lab.tmpfs("o\"d d");
        guard.add(odd.path());
        guard.must(&["add", "--not-mounted", "/media/absent"]);
        guard.must(&["add", "--not-mounted", "/media/off", "offline"]);
        let text = guard.must(&["status", "--format", "prometheus"]);
        for line in [
            "# TYPE mountguard_expected_but_absent gauge",
            "mountguard_expected_but_absent{mountpoint=\"/media/o\\\"d d\"} 0",
            "mountguard_expected_but_absent{mountpoint=\"/media/absent\"} 1",
            "mountguard_expected_but_absent{mountpoint=\"/media/off\"} 0",
            "mountguard_expected{mountpoint=\"/media/off\"} 0",
            "mountguard_present{mountpoint=\"/media/absent\"} 0",
            "mountguard_info{mountpoint=\"/media/absent\",state=\"online\",presence=\"not-mounted\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        assert!(samples.clone().all(|line| line.ends_with(" 0") || line.ends_with(" 1")), "{text}");
        assert_eq!(samples.count(), 15, "{text}");
        guard.run(&["state", "--format", "prometheus"]).fails(64, &["for status only"]);
    });
}

#[test]
#[ignore = "needs root: another mount namespace"]
fn status_says_where_dovecot_sees_other_mounts() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (mail, index) = (lab.tmpfs("mail"), lab.tmpfs("index"));
        guard.add(mail.path());
        guard.add(index.path());
        let program = lab.path("dovecot");
        fs::copy("/bin/sleep", &program).expect("a process of that name");
        let script = "umount /media/mail && exec /media/dovecot 1000";
        let mut service = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script])
            .stdout(Stdio::null())
            .spawn()
            .expect("run unshare (package util-linux)");
        let name = format!("/proc/{}/comm", service.id());
        until(|| fs::read_to_string(&name).is_ok_and(|name| name == "dovecot\n"));
        fs::write(guard.run.join("master.pid"), format!("{}\n", service.id())).expect("write");
        let outcome = guard.run(&["status"]);
        let words = [
            "\"/media/mail\" is mounted here, but not-mounted for Dovecot",
            &format!("--pid {}", service.id()),
        ];
        outcome.succeeds(&words);
        assert_eq!(outcome.err.lines().count(), 1, "{outcome:?}");
        service.kill().expect("end it");
        service.wait().expect("it ends");
        assert_eq!(guard.run(&["status"]).err, "");
    });
}
