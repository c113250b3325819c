//! `exec`: a command that runs only while all is mounted.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fixtures::lab;

use crate::support::{Guard, text};

/// Waits until a file is there that a command creates when it has come so far.
#[track_caller]
fn await_file(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{path:?} does not appear");
        std::thread::yield_now();
    }
}

fn send(child: &Child, signal: &str) {
    let status = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(status.expect("run kill").success());
}

#[test]
fn exit_code_of_the_command_is_passed_on() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        let run = |script: &str| guard.run(&["exec", text(mail.path()), "--", "sh", "-c", script]).code;
        assert_eq!(run("exit 0"), Some(0));
        assert_eq!(run("exit 3"), Some(3));
        assert_eq!(run("kill -KILL $$"), Some(128 + 9));
    });
}

#[test]
fn command_that_cannot_be_run_is_told_as_a_shell_would() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard.run(&["exec", "/srv", "--", "no-such-command"]).fails(127, &["no-such-command"]);
        guard.run(&["exec", "/srv", "--", "/dev/null"]).fails(126, &["/dev/null", "Permission denied"]);
    });
}

#[test]
fn refused_command_never_runs() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (mail, bare) = (lab.tmpfs("mail"), lab.dir("bare"));
        guard.add(mail.path());
        guard.add(&bare);
        let trace = lab.path("trace");
        let arguments = ["exec", text(mail.path()), text(&bare), "--", "touch", text(&trace)];
        guard.run(&arguments).fails(75, &[text(&bare), "not-mounted"]);
        assert!(!trace.exists());
    });
}

#[test]
fn mounts_are_busy_meanwhile_and_free_afterwards() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        let path = text(mail.path());
        let outcome = guard.run(&["exec", path, "--", "umount", path]);
        assert_eq!(outcome.code, Some(32), "{outcome:?}");
        assert!(outcome.err.contains("busy"), "{outcome:?}");
        mail.take_away();
    });
}

#[test]
fn mount_that_vanished_meanwhile_makes_success_a_refusal() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        let path = text(mail.path());
        guard.run(&["exec", path, "--", "umount", "-l", path]).fails(75, &[path, "unmounted meanwhile"]);
    });
}

#[test]
fn signals_reach_the_command() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (ready, got) = (lab.path("ready"), lab.path("got"));
        let script = format!(
            "trap 'touch {got}; exit 9' TERM; touch {ready}; while :; do sleep 0.01; done",
            got = text(&got),
            ready = text(&ready)
        );
        let mut child = guard.command(&["exec", "/srv", "--", "sh", "-c", &script]).spawn().expect("start");
        await_file(&ready);
        send(&child, "-TERM");
        assert_eq!(child.wait().expect("wait").code(), Some(9));
        assert!(got.exists());
    });
}

#[test]
fn command_has_our_standard_input_and_no_blocked_signals() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mut command =
            guard.command(&["exec", "/srv", "--", "sh", "-c", "cat; grep SigBlk /proc/self/status"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("start");
        std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), b"hello\n").expect("write");
        let output = child.wait_with_output().expect("wait");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\nSigBlk:\t0000000000000000\n");
    });
}

#[test]
fn command_ends_also_where_ends_of_children_were_ignored() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let fifo = lab.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        // Not at once, so that its end is waited for.
        let script = format!("read line < {}; exit 3", text(&fifo));
        let mut child = guard.childless(&["exec", "/srv", "--", "sh", "-c", &script]).spawn().expect("start");
        std::fs::write(&fifo, "go\n").expect("tell it to end");
        let deadline = Instant::now() + Duration::from_secs(20);
        while child.try_wait().expect("look").is_none() {
            assert!(Instant::now() < deadline, "it waits for a command that has ended");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(child.wait().expect("wait").code(), Some(3));
    });
}
