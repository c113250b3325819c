//! The command line, understood.

mod parse;
mod value;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use mount_core::{Directories, Operation, State};
use nix::unistd::{Gid, Uid};

use crate::failure::Failure;
use crate::output::Format;
pub(crate) use parse::parse;

/// Everything that was asked for.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub settings: Settings,
    pub command: Command,
}

/// What all commands have in common.
#[derive(Debug)]
pub(crate) struct Settings {
    pub directories: Directories,
    pub timeout: Duration,
    pub format: Option<Format>,
    pub view: View,
}

/// Whose mounts are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// Those that this process sees.
    Own,
    /// Those that another process sees.
    Process(u32),
    /// Those of a recorded table.
    Recorded(PathBuf),
}

#[derive(Debug)]
pub(crate) enum Command {
    Help(Option<Name>),
    Version,
    Add { path: PathBuf, state: Option<State>, recording: Recording },
    Remove { path: PathBuf },
    State { path: Option<PathBuf>, state: Option<State>, all: bool },
    Status { paths: Vec<PathBuf>, all: bool },
    Check { operation: Operation, paths: Vec<PathBuf> },
    Discover(Discover),
    Audit(Audit),
    Watch(Watch),
    CreateMaildir(Create),
    CreateMbox(Create),
    Exec { operation: Operation, paths: Vec<PathBuf>, program: OsString, arguments: Vec<OsString> },
}

/// What `add` is to demand and to record of a filesystem.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Recording {
    pub not_mounted: bool,
    pub require_identity: bool,
    pub any_filesystem: bool,
}

/// Where to look for mail, and whether to change anything.
#[derive(Debug, Default)]
pub(crate) struct Discover {
    pub dry_run: bool,
    pub all: bool,
    pub mail_paths: Vec<PathBuf>,
    /// Dovecot's configuration file, where it is not the usual one.
    pub configuration: Option<PathBuf>,
}

/// What to look underneath, and what to do about what is found.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub paths: Vec<PathBuf>,
    pub user: Option<String>,
    pub fix: bool,
    pub yes: bool,
    pub rescue: Option<PathBuf>,
}

/// How to watch.
#[derive(Debug)]
pub(crate) struct Watch {
    pub interval: Duration,
    pub hook: Option<OsString>,
}

#[derive(Debug)]
pub(crate) struct Create {
    pub path: PathBuf,
    pub owner: Option<(Uid, Gid)>,
    pub mode: Option<u32>,
    pub parents: bool,
}

/// The commands by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Add,
    Remove,
    State,
    Status,
    Check,
    Discover,
    Audit,
    Watch,
    CreateMaildir,
    CreateMbox,
    Exec,
}

impl Name {
    const ALL: [(&str, Name); 11] = [
        ("add", Name::Add),
        ("remove", Name::Remove),
        ("state", Name::State),
        ("status", Name::Status),
        ("check", Name::Check),
        ("discover", Name::Discover),
        ("audit", Name::Audit),
        ("watch", Name::Watch),
        ("create-maildir", Name::CreateMaildir),
        ("create-mbox", Name::CreateMbox),
        ("exec", Name::Exec),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, name)| *name == self).map_or("", |(word, _)| word)
    }

    fn of(word: &OsStr) -> Result<Name, Failure> {
        let found = Self::ALL.iter().find(|(name, _)| OsStr::new(name) == word);
        found.map(|(_, name)| *name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
            Failure::Usage(format!("command {word:?} does not exist; there are: {}", known.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests;
