//! Runs the command in a laboratory, on a registry of its own.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fixtures::lab::Lab;

/// The command, with the registry that it works on.
pub(crate) struct Guard {
    pub binary: PathBuf,
    pub state: PathBuf,
    pub run: PathBuf,
}

/// What a run of the command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Guard {
    pub(crate) fn new(lab: &Lab) -> Self {
        // Copied, since another user may not be let into the directory it was built in.
        let binary = lab.path("mountguard");
        fs::copy(env!("CARGO_BIN_EXE_mountguard"), &binary).expect("copy the command");
        Guard { binary, state: lab.dir("registry/state"), run: lab.dir("registry/run") }
    }

    /// The persistent registry file.
    pub(crate) fn persistent(&self) -> PathBuf {
        self.state.join("mounts")
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.persistent()).expect("read the registry")
    }

    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        self.through(self.binary.as_os_str(), arguments)
    }

    /// Another program that is to run the command, which finds its registry then.
    pub(crate) fn through<A: AsRef<OsStr>>(&self, program: &OsStr, arguments: &[A]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("MOUNTGUARD_STATE_DIR", &self.state).env("MOUNTGUARD_RUN_DIR", &self.run);
        // That of whoever runs the tests may hold directories which this user may not search.
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// The command as started by somebody who doesn't want to hear of children that end.
    pub(crate) fn childless(&self, arguments: &[&str]) -> Command {
        self.through(OsStr::new("env"), &[&["--ignore-signal=CHLD", text(&self.binary)], arguments].concat())
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Outcome {
        Outcome::of(&mut self.command(arguments))
    }

    /// The same as a user without any privilege.
    pub(crate) fn run_as_nobody<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Outcome {
        Outcome::of(self.command(arguments).uid(65534).gid(65534))
    }

    /// Runs a command that must succeed; its output.
    #[track_caller]
    pub(crate) fn must<A: AsRef<OsStr>>(&self, arguments: &[A]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome.out
    }

    /// Registers what is mounted, or the bare directory.
    #[track_caller]
    pub(crate) fn add(&self, path: &Path) {
        self.must(&[OsStr::new("add"), OsStr::new("--not-mounted"), path.as_os_str()]);
    }
}

impl Outcome {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("run the command");
        Outcome {
            code: status.code(),
            out: String::from_utf8(stdout).expect("output is UTF-8"),
            err: String::from_utf8(stderr).expect("diagnosis is UTF-8"),
        }
    }

    /// This exit code, nothing on standard output, and a diagnosis that has all the words.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {self:?}");
        }
    }

    /// Exit code 0 and a diagnosis that has all the words.
    #[track_caller]
    pub(crate) fn succeeds(&self, words: &[&str]) {
        assert_eq!(self.code, Some(0), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {self:?}");
        }
    }
}

/// A path for an argument list. Paths of the laboratory are ASCII.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the laboratory")
}

/// How much of something a test does: little each time, all of it in the full run (`ci/soak`).
pub(crate) fn scale(little: u64, full: u64) -> u64 {
    if std::env::var_os("MOUNTGUARD_FULL").is_some() { full } else { little }
}

/// Waits for a condition to come about.
#[track_caller]
pub(crate) fn until(condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(40);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it does not come about");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
