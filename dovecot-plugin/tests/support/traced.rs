//! An IMAP session in one process, so that it can be traced and nothing else is.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

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
        session.read_until("* PREAUTH");
        session.command("SELECT INBOX");
        session
    }

    fn read_until(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).expect("IMAP"), 0, "the session ended");
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// The tagged answer, without the tag.
    pub(crate) fn answer(&mut self, command: &str) -> String {
        // The message follows at once: a literal that need not be waited for.
        let literal = if command.starts_with("APPEND") { " {11+}\r\nA: b\r\n\r\nc\r\n" } else { "" };
        write!(self.input, "x {command}{literal}\r\n").expect("IMAP");
        self.read_until("x ").split_off(2)
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
