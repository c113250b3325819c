//! An IMAP session in one process, so that there is nothing else to measure.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use fixtures::dovecot::Dovecot;
use nix::unistd::Pid;

use crate::repeat::WARM_UP;

/// Saves a message into the mailbox that grows.
pub(crate) const APPEND: &str = "APPEND Sent";

pub(crate) struct Session {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// Bob's, with no mailbox selected.
    pub(crate) fn start(dovecot: &Dovecot) -> Self {
        Self::start_with(dovecot, None)
    }

    /// The same, in a process with a library preloaded.
    pub(crate) fn start_with(dovecot: &Dovecot, preloaded: Option<&Path>) -> Self {
        let mut command = Command::new("doveadm");
        if let Some(library) = preloaded {
            command.env("LD_PRELOAD", library).env("DOVECOT_PRESERVE_ENVS", "LD_PRELOAD");
        }
        command.arg("-c").arg(dovecot.configuration()).args(["exec", "imap", "-u", "bob"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("doveadm exec imap");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let mut session = Session { process, input, output };
        session.read_until("* PREAUTH");
        session
    }

    /// The same with the mailbox for reading selected.
    pub(crate) fn selected(dovecot: &Dovecot) -> Self {
        let mut session = Session::start(dovecot);
        session.command("SELECT Archive");
        session
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().expect("a process id"))
    }

    pub(crate) fn command(&mut self, command: &str) {
        // The message follows at once: a literal that need not be waited for.
        let literal = if command.starts_with("APPEND") { " {20+}\r\nSubject: a\r\n\r\nbody\r\n" } else { "" };
        let input = self.input.as_mut().expect("open until it is dropped");
        write!(input, "x {command}{literal}\r\n").expect("speak IMAP");
        let answer = self.read_until("x ");
        assert!(answer.starts_with("x OK"), "{command}: {answer}");
    }

    /// The processor time of so many repetitions.
    pub(crate) fn repeat(&mut self, command: &str, count: u64) -> Duration {
        (0..count / WARM_UP).for_each(|_| self.command(command));
        let begun = self.processor_time();
        (0..count).for_each(|_| self.command(command));
        let took = self.processor_time() - begun;
        if command == APPEND {
            self.empty();
        }
        took
    }

    /// Begins the mailbox that grows anew: what it costs to save into one depends on how much is in it.
    pub(crate) fn empty(&mut self) {
        self.command("DELETE Sent");
        self.command("CREATE Sent");
    }

    fn processor_time(&self) -> Duration {
        let schedule = fs::read_to_string(format!("/proc/{}/schedstat", self.process.id()));
        let schedule = schedule.expect("the time that the process has had");
        let nanoseconds = schedule.split(' ').next().and_then(|text| text.parse().ok());
        Duration::from_nanos(nanoseconds.expect("nanoseconds"))
    }

    fn read_until(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).expect("hear IMAP"), 0, "the session ended");
            if line.starts_with(start) {
                return line;
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.input.take());
        self.process.wait().ok();
    }
}
