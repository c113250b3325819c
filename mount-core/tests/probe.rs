//! Questions in processes of their own. In laboratories: a fork in a test harness with other threads in the middle
//! of something inherits their locks and their pipes.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use fixtures::lab;
use mount_core::ErrorKind;
use mount_core::probe::{Probe, Progress, ask, touch, wait_for_any};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

const LONG: Duration = Duration::from_secs(60);

fn never() -> Vec<u8> {
    loop {
        std::thread::park();
    }
}

#[test]
fn answer_larger_than_a_pipe_arrives_whole() {
    lab!(|_lab| {
        let sent: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_ne_bytes).collect();
        let received = ask(LONG, || sent.clone()).expect("ask for the same in another process");
        assert!(received == sent, "{} bytes came", received.len());
    });
}

#[test]
fn empty_answer_is_an_answer_and_panic_is_none() {
    lab!(|_lab| {
        assert_eq!(ask(LONG, Vec::new).expect("ask for nothing"), b"");
        let error = ask(LONG, || panic!("on purpose")).expect_err("there is no answer");
        assert_eq!(error.kind(), ErrorKind::Io);
    });
}

#[test]
fn silence_ends_with_the_deadline() {
    lab!(|_lab| {
        let begun = Instant::now();
        let error = ask(Duration::from_millis(50), never).expect_err("nobody answers");
        assert_eq!(error.kind(), ErrorKind::Temporary);
        assert!(begun.elapsed() < LONG);
    });
}

#[test]
fn descriptors_of_whoever_started_us_are_let_go_of() {
    lab!(|_lab| {
        let (reader, writer) = nix::unistd::pipe().expect("a pipe without close-on-exec");
        let mut probe = Probe::start(never).expect("start a process that never ends");
        drop(writer);
        assert!(wait_for_any(&[reader.as_fd()], Instant::now() + LONG), "end of file, though it lives");
        assert_eq!(probe.take(), Progress::Silent);
    });
}

#[test]
fn answer_comes_when_all_that_the_process_held_is_free() {
    lab!(|_lab| {
        // To give back as much memory takes the process a while after its answer.
        let with_much_memory = || {
            std::mem::forget(std::hint::black_box(vec![1_u8; 64 << 20]));
            Vec::new()
        };
        for _ in 0..5 {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            ask(LONG, with_much_memory).expect("ask for nothing");
            drop(writer);
            assert!(wait_for_any(&[reader.as_fd()], Instant::now()), "the process still holds the other end");
        }
    });
}

#[test]
fn others_are_heard_while_one_is_silent() {
    lab!(|_lab| {
        let mut silent = Probe::start(never).expect("start a process that never ends");
        let mut other = Probe::start(|| b"here".to_vec()).expect("start another");
        assert_eq!(other.wait(Instant::now() + LONG), Progress::Answered(b"here".to_vec()));
        assert_eq!(silent.take(), Progress::Silent);
    });
}

/// Makes the next process have this number, where nobody else starts one in between.
fn have_next_process_be(number: u32) {
    fs::write("/proc/sys/kernel/ns_last_pid", (number - 1).to_string()).expect("set the last process id");
}

/// As `watch` reaps it, which runs a command as well, and may have slept for long in between.
#[test]
#[ignore = "needs root: chooses process ids"]
fn process_that_has_the_number_of_one_reaped_before_is_not_killed() {
    lab!(|_lab| {
        let mut another = loop {
            let mut probe = Probe::start(Vec::new).expect("start");
            assert_eq!(probe.wait(Instant::now() + LONG), Progress::Answered(Vec::new()));
            let number = waitpid(None, None).expect("a child").pid().expect("that has ended").as_raw();
            have_next_process_be(number.unsigned_abs());
            let mut another = Command::new("sleep").arg("1000").spawn().expect("run sleep");
            let has_its_number = another.id() == number.unsigned_abs();
            drop(probe);
            if has_its_number {
                break another;
            }
            another.kill().and_then(|()| another.wait()).expect("end it");
        };
        kill(Pid::from_raw(another.id() as i32), Signal::SIGTERM).expect("it is there");
        assert_eq!(another.wait().expect("it ends").signal(), Some(Signal::SIGTERM as i32));
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn hung_filesystem_answers_the_same_probe_once_it_recovers() {
    lab!(|lab| {
        let fuse = lab.fuse_hung("mail");
        let path = fuse.path().to_path_buf();
        let mut probe = Probe::start(move || vec![u8::from(touch(&path).is_ok())]).expect("start");
        assert_eq!(probe.wait(Instant::now() + Duration::from_millis(200)), Progress::Silent);
        fuse.recover();
        assert_eq!(probe.wait(Instant::now() + LONG), Progress::Answered(vec![1]));
    });
}
