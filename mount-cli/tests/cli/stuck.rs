//! Filesystems that don't answer: nothing waits for them longer than it was told to, and none hides another.

use std::time::{Duration, Instant};

use fixtures::lab;

use crate::support::{Guard, Outcome, text};

/// Far more than the time-out of a second that the tests give, and far less than for ever.
const SOON: Duration = Duration::from_secs(20);

#[track_caller]
fn soon(run: impl FnOnce() -> Outcome) -> Outcome {
    let begun = Instant::now();
    let outcome = run();
    assert!(begun.elapsed() < SOON, "{:?} {outcome:?}", begun.elapsed());
    outcome
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn status_shows_the_stuck_one_and_all_others() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (hung, healthy, mail) =
            (lab.fuse_healthy("hung"), lab.fuse_healthy("healthy"), lab.tmpfs("mail"));
        for path in [hung.path(), healthy.path(), mail.path(), &lab.dir("bare")] {
            guard.add(path);
        }
        hung.hang();
        let outcome = soon(|| guard.run(&["--timeout", "1", "status"]));
        let expected = "/media/hung\tonline\tstuck\tfuse.lab\tlab\t-\tdoes not answer\n\
                        /media/healthy\tonline\tmounted\tfuse.lab\tlab\t-\t-\n\
                        /media/mail\tonline\tmounted\ttmpfs\tlab\t-\t-\n\
                        /media/bare\tonline\tnot-mounted\t-\t-\t-\tnothing is mounted there\n";
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), expected), "{outcome:?}");
        hung.recover();
        assert!(guard.must(&["status", "/media/hung"]).contains("\tmounted\t"));
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn many_stuck_ones_cost_the_time_of_one() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        for number in 0..8 {
            let hung = lab.fuse_healthy(format!("hung{number}"));
            guard.add(hung.path());
            hung.hang();
        }
        let begun = Instant::now();
        let outcome = guard.run(&["--timeout", "2", "status"]);
        assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
        assert_eq!(outcome.out.matches("\tstuck\t").count(), 8, "{outcome:?}");
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn dead_filesystem_is_shown_with_what_it_says() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let dead = lab.fuse_healthy("dead");
        guard.add(dead.path());
        dead.die();
        let outcome = soon(|| guard.run(&["--timeout", "1", "status"]));
        assert!(outcome.out.contains("\tmounted\tfuse.lab\tlab\t-\tstat"), "{outcome:?}");
        assert!(outcome.out.contains("not connected"), "{outcome:?}");
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn what_must_touch_a_hung_filesystem_is_refused_in_time() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let hung = lab.fuse_healthy("hung");
        guard.add(hung.path());
        hung.hang();
        let bob = hung.path().join("bob");
        for command in ["create-maildir", "create-mbox"] {
            let outcome = soon(|| guard.run(&["--timeout", "1", command, text(&bob)]));
            assert_eq!(outcome.code, Some(75), "{outcome:?}");
            assert!(outcome.err.contains(text(&bob)), "{outcome:?}");
        }
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn judging_and_registering_never_wait() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let hung = lab.fuse_hung("hung");
        let path = text(hung.path());
        let below = hung.path().join("inner/x");
        soon(|| guard.run(&["add", path])).succeeds(&[]);
        soon(|| guard.run(&["check", path])).succeeds(&[]);
        soon(|| guard.run(&["check", text(&below)]));
        soon(|| guard.run(&["state", path, "offline"])).succeeds(&[]);
        soon(|| guard.run(&["remove", path])).succeeds(&[]);
        soon(|| guard.run(&["--timeout", "1", "exec", text(&below), "--", "true"]));
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn audit_of_one_below_a_hung_filesystem_keeps_no_other() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let hung = lab.fuse_healthy("hung");
        let inner = lab.tmpfs(hung.inner());
        let mail = lab.tmpfs("mail");
        guard.add(inner.path());
        guard.add(mail.path());
        hung.hang();
        let outcome = soon(|| guard.run(&["--timeout", "1", "audit"]));
        assert_eq!(outcome.code, Some(75), "{outcome:?}");
        assert!(outcome.err.contains(text(inner.path())), "{outcome:?}");
        assert!(outcome.out.starts_with("/media/mail\t"), "{outcome:?}");
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn mountpoint_within_a_filesystem_that_must_be_asked_can_be_registered() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let fuse = lab.fuse_healthy("fuse");
        let inner = lab.tmpfs(fuse.inner());
        guard.must(&["add", text(inner.path())]);
        guard.must(&["remove", text(inner.path())]);
        fuse.hang();
        let below = inner.path().join("x");
        let outcome = soon(|| guard.run(&["--timeout", "1", "add", "--not-mounted", text(&below)]));
        assert_eq!(outcome.code, Some(75), "{outcome:?}");
        assert!(outcome.err.contains(text(&below)), "{outcome:?}");
    });
}

#[test]
#[ignore = "needs root: autofs"]
fn idle_automount_is_shown_as_idle_and_not_triggered() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let trigger = lab.autofs_silent("auto");
        soon(|| guard.run(&["add", text(trigger.path())])).succeeds(&["idle automount"]);
        let outcome = soon(|| guard.run(&["--timeout", "1", "status"]));
        assert!(outcome.out.contains("\tidle\tautofs\t"), "{outcome:?}");
        let outcome = soon(|| guard.run(&["--timeout", "1", "exec", text(trigger.path()), "--", "true"]));
        assert_eq!(outcome.code, Some(75), "{outcome:?}");
    });
}
