//! Questions in processes of their own. In laboratories: a fork in a test harness with other threads in the middle
//! of something inherits their locks and their pipes.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use fixtures::lab;
use mount_core::ErrorKind;
use mount_core::probe::{Probe, Progress, ask, touch, wait_for_any};

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
