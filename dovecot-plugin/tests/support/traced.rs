//! An IMAP session in one process, so that it can be traced and nothing else is.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::dovecot::Dovecot;

/// A session of bob's, who has selected the INBOX.
pub(crate) struct Session {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// A session that strace runs with these arguments.
    pub(crate) fn traced(dovecot: &Dovecot, arguments: &[&OsStr]) -> Session {
        let mut command = Command::new("strace");
        command.args(["--quiet=all", "--signal=none"]).args(arguments).arg("doveadm");
        command.arg("-c").arg(dovecot.configuration()).args(["exec", "imap", "-u", "bob"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("strace of doveadm exec imap");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let mut session = Session { process, input, output };
        session.read_until("* PREAUTH").expect("a session");
        session.command("SELECT INBOX");
        session
    }

    /// The same, stopped at the end of the first of these system calls on that path after the INBOX was selected.
    pub(crate) fn stopping(dovecot: &Dovecot, call: &str, path: &Path, trace: &Path) -> Session {
        let inject = format!("--inject={call}:signal=SIGSTOP:when=1");
        let arguments: [&OsStr; 6] = [
            inject.as_ref(),
            "--signal=SIGSTOP".as_ref(),
            "--trace-path".as_ref(),
            path.as_ref(),
            "--output".as_ref(),
            trace.as_ref(),
        ];
        Session::traced(dovecot, &arguments)
    }

    /// Waits until it has stopped.
    pub(crate) fn await_stop(&self, trace: &Path) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !fs::read_to_string(trace).expect("the trace").contains("stopped by SIGSTOP") {
            assert!(
                Instant::now() < deadline,
                "it goes on: {}",
                fs::read_to_string(trace).expect("the trace")
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets it go on after a stop.
    pub(crate) fn go_on(&self) {
        let strace = self.process.id();
        let children =
            fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).expect("children");
        let status = Command::new("kill").arg("-CONT").args(children.split_whitespace()).status();
        assert!(status.expect("kill").success());
    }

    fn read_until(&mut self, start: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).expect("IMAP") == 0 {
                return None;
            }
            if line.starts_with(start) {
                return Some(line);
            }
        }
    }

    pub(crate) fn send(&mut self, command: &str) {
        // The message follows at once: a literal that need not be waited for.
        let literal = if command.starts_with("APPEND") { " {11+}\r\nA: b\r\n\r\nc\r\n" } else { "" };
        // Nobody may be there any more, which the answer tells.
        let _ = write!(self.input, "x {command}{literal}\r\n");
    }

    /// The tagged answer to what was sent, without the tag; `None` when the session has ended.
    pub(crate) fn receive(&mut self) -> Option<String> {
        self.read_until("x ").map(|mut line| line.split_off(2))
    }

    /// The tagged answer, without the tag.
    pub(crate) fn answer(&mut self, command: &str) -> String {
        self.send(command);
        self.receive().expect("the session goes on")
    }

    pub(crate) fn command(&mut self, command: &str) {
        let answer = self.answer(command);
        assert!(answer.starts_with("OK"), "{command}: {answer}");
    }

    pub(crate) fn end(mut self) {
        drop(self.input);
        assert!(self.process.wait().expect("wait").success());
    }
}
