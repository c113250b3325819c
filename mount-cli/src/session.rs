//! The registry and the mounts that a command is about.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use mount_core::registry::{Content, Document, Snapshot, Store};
use mount_core::table::{MountTable, OpenTable};
use mount_core::{Error, ErrorKind, Mounts, Resolved, WhenMissing};

use crate::arguments::{Settings, View};
use crate::console::Console;
use crate::failure::Failure;
use crate::namespace::Place;
use crate::reply;

/// What the settings lead to.
pub(crate) struct Session<'a> {
    pub settings: &'a Settings,
    pub store: Store,
}

impl<'a> Session<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Session { settings, store: Store::new(settings.directories.clone()) }
    }

    /// The list of mountpoints, after bringing the runtime file up to date with the persistent one: an edit by
    /// hand counts from here on. Whoever may not write reads it as it is.
    pub(crate) fn registry(&self, console: &mut Console) -> Result<Document, Failure> {
        if let Some(snapshot) = self.store.read_effective()? {
            self.restore(console)?;
            let snapshot = self.store.read_effective()?.unwrap_or(snapshot);
            report_unreadable(&snapshot, console);
            return Ok(snapshot.document());
        }
        Ok(Document::default())
    }

    fn restore(&self, console: &mut Console) -> Result<(), Failure> {
        match self.store.restore() {
            Err(error) if matches!(error.kind(), ErrorKind::Permission | ErrorKind::Io) => {
                // Told only where it would have been possible but for the disk.
                if error.kind() == ErrorKind::Io {
                    console.say(format_args!(
                        "the runtime registry was not brought up to date: {}",
                        error.chain()
                    ));
                }
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Does work that judges, with the mounts that it is to judge.
    ///
    /// The registry is read before another process's namespace is entered, so that it is the one of this
    /// process; nothing is judged before, so that nothing of this process's mounts counts there.
    pub(crate) fn judging<T>(
        &self,
        console: &mut Console,
        work: impl FnOnce(&Mounts, &mut Console) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (directories, missing) = (&self.settings.directories, WhenMissing::NothingRegistered);
        let pid = match &self.settings.view {
            View::Own => {
                let mounts = Mounts::open(directories, missing).map_err(Failure::Registry)?;
                return work(&mounts, console);
            }
            View::Recorded(file) => {
                let table = MountTable::from_file(file)?;
                let mounts = Mounts::open_recorded(directories, missing, table).map_err(Failure::Registry)?;
                return work(&mounts, console);
            }
            View::Process(pid) => *pid,
        };
        let (own, other) = (Place::own()?, Place::of(pid)?);
        // Opened here: there need be no /proc in its root, and where there is one, this process need not be in it.
        let table = OpenTable::of_process(pid)?;
        let mounts = Mounts::open_elsewhere(directories, missing, &table).map_err(Failure::Registry)?;
        other.enter()?;
        let outcome = work(&mounts, console);
        own.enter()?;
        outcome
    }

    /// Where a path leads. Where a filesystem has to be asked for that, it is, for as long as the time-out allows.
    pub(crate) fn resolve(&self, mounts: &Mounts, path: &Path) -> Result<Resolved, Failure> {
        match mounts.resolve(path) {
            Err(error) if error.kind() == ErrorKind::Temporary => {}
            other => return Ok(other?),
        }
        let what = format!("follow {path:?}");
        let found = reply::ask(self.settings.timeout, &what, || {
            let real = fs::canonicalize(path).map_err(|cause| Error::syscall("open", path, cause))?;
            let kind = if real.is_dir() { "directory" } else { "file" };
            Ok(vec![real.into_os_string().into_vec(), kind.into()])
        })?;
        let [real, kind] = found.as_slice() else {
            return Err(unusable(format!("{what}: no answer that can be understood")));
        };
        let path = PathBuf::from(OsStr::from_bytes(real));
        Ok(Resolved { path, exists: true, is_directory: kind == b"directory" })
    }

    /// Refuses what needs mounts that are there.
    pub(crate) fn needs_live_mounts(&self, command: &str) -> Result<(), Failure> {
        match self.settings.view {
            View::Recorded(_) => Err(Failure::Usage(format!(
                "{command} works on mounts that are there, not on a recorded table; leave --mountinfo out"
            ))),
            View::Own | View::Process(_) => Ok(()),
        }
    }
}

/// Says which lines of a registry could not be read.
fn report_unreadable(snapshot: &Snapshot, console: &mut Console) {
    for line in snapshot.lines() {
        if let Content::Unreadable { flaw, pattern } = line.content {
            let effect = if pattern.is_some() { "counts as online" } else { "guards nothing" };
            let path = snapshot.path();
            console.say(format_args!(
                "registry {path:?}, line {}: {flaw}; the line {effect}; repair it",
                line.number
            ));
        }
    }
}

/// An error about a path and what is to be done about it.
pub(crate) fn unusable(text: impl Into<String>) -> Failure {
    Failure::Error(Error::new(ErrorKind::Data, text))
}
