//! What Dovecot says of itself and of its users, by its own programs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mount_core::discovery::{Candidate, Configuration, UserRecords};
use mount_core::{Error, ErrorKind};

use super::program::lines;

/// Users that are asked for at a time: as many as make starting a program cheap, and fit on its command line.
const AT_ONCE: usize = 500;

/// How many times longer than others a user database may say nothing: it may have to look at all users before it
/// can tell the first.
const DATABASES: u32 = 12;

/// Longest command line with users' names, in bytes; the kernel takes 2 MiB as a rule.
const NAMES_MAX: usize = 256 << 10;

/// An instance of Dovecot.
pub(super) struct Dovecot<'a> {
    /// Its configuration file, where it is not the usual one.
    pub configuration: Option<&'a Path>,
    /// How long its programs may say nothing.
    pub patience: Duration,
}

impl Dovecot<'_> {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Some(file) = self.configuration {
            command.arg("-c").arg(file);
        }
        command
    }

    /// All settings.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] when there is no `doveconf`, [`ErrorKind::Data`] with its words when it cannot
    /// read the configuration, others as [`lines`].
    pub(super) fn configuration(&self) -> Result<Configuration, Error> {
        let mut command = self.command("doveconf");
        command.arg("-a");
        let mut text = Vec::new();
        lines(command, self.patience, |line| {
            text.extend_from_slice(line);
            text.push(b'\n');
        })?;
        Ok(Configuration::parse(&text))
    }

    /// Hands over the places for mail that the user database names for its users, or why one cannot be used.
    ///
    /// Nothing is handed over when the instance isn't running: nobody can be asked then. While it fails it is
    /// asked again for two seconds, and what had come before is handed over again.
    ///
    /// # Errors
    /// [`ErrorKind::Temporary`] when the user database failed; what had come by then was handed over.
    pub(super) fn users(
        &self,
        configuration: &Configuration,
        mut each: impl FnMut(Result<Candidate, Error>),
    ) -> Result<(), Error> {
        if !configuration.lists_users() || !is_running(configuration) {
            return Ok(());
        }
        let begun = Instant::now();
        loop {
            match self.ask_for_users(&mut each) {
                Err(_) if begun.elapsed() < SETTLED => std::thread::sleep(PAUSE),
                outcome => return outcome,
            }
        }
    }

    fn ask_for_users(&self, each: &mut impl FnMut(Result<Candidate, Error>)) -> Result<(), Error> {
        let (mut batch, mut asked, mut failed) = (Batch::default(), 0_u64, Ok(()));
        let mut list = self.command("doveadm");
        list.args(["user", "*"]);
        let listed = lines(list, self.patience * DATABASES, |user| {
            if failed.is_err() || !batch.add(user) {
                return;
            }
            asked += 1;
            if batch.is_full() {
                failed = self.look_up(&mut batch, each);
            }
        });
        let outcome = failed.and_then(|()| self.look_up(&mut batch, each)).and(listed);
        outcome.map_err(|error| {
            let text = format!("the user database failed after {asked} users, the others are not known");
            error.context(text).with_kind(ErrorKind::Temporary)
        })
    }

    fn look_up(
        &self,
        batch: &mut Batch,
        each: &mut impl FnMut(Result<Candidate, Error>),
    ) -> Result<(), Error> {
        let names = std::mem::take(batch).names;
        if names.is_empty() {
            return Ok(());
        }
        let mut command = self.command("doveadm");
        command.args(["user", "-u", "--"]).args(names.iter().map(|name| OsStr::from_bytes(name)));
        let mut records = UserRecords::new();
        let outcome = lines(command, self.patience * DATABASES, |line| match records.line(line) {
            Ok(places) => places.into_iter().map(Ok).for_each(&mut *each),
            Err(error) => each(Err(error)),
        });
        match outcome {
            // One that was removed since the list was made is no failure of the database.
            Err(error) if error.kind() == ErrorKind::Data && !records.user().is_empty() => Ok(()),
            other => other,
        }
    }
}

/// Whether the instance answers, so that it can be asked for users.
fn is_running(configuration: &Configuration) -> bool {
    let base = configuration.base_dir().unwrap_or(b"/run/dovecot");
    UnixStream::connect(PathBuf::from(OsStr::from_bytes(base)).join("auth-userdb")).is_ok()
}

/// A reload ends the process that is asked in the middle of its answer, and takes its socket away for a moment.
const SETTLED: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(200);

/// Names to be asked for together.
#[derive(Default)]
struct Batch {
    names: Vec<Vec<u8>>,
    bytes: usize,
}

impl Batch {
    /// False for what cannot be asked for: a name that `doveadm` would take for a pattern, or that no command line
    /// can have.
    fn add(&mut self, name: &[u8]) -> bool {
        if name.is_empty() || name.iter().any(|byte| matches!(byte, b'*' | b'?' | 0)) {
            return false;
        }
        self.bytes += name.len() + 1;
        self.names.push(name.to_vec());
        true
    }

    fn is_full(&self) -> bool {
        self.names.len() >= AT_ONCE || self.bytes >= NAMES_MAX
    }
}
