//! Both registry files together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::Observed;
use super::file::{Replacement, Snapshot, Stamp};
use super::lock::Lock;
use super::{Directories, Document, Pattern, Source, Stuck};
use crate::error::{Error, ErrorKind, quoted};
use crate::root::Root;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads, writes and reconciles the persistent and the runtime registry.
///
/// Readers take no lock: files are replaced by rename, so that a reader sees the old list or the new
/// one. A writer that is killed leaves either, and perhaps a temporary file that the next one removes.
#[derive(Debug, Clone)]
pub struct Store {
    directories: Directories,
    /// Of the two files the one that is looked at for each verdict.
    runtime: PathBuf,
    patience: Duration,
    /// Where the paths of the directories begin.
    root: Root,
}

/// What a writer found under the lock.
struct Found {
    persistent: Option<Snapshot>,
    runtime: Option<Snapshot>,
}

impl Found {
    fn observed(&self) -> Observed {
        let Some(runtime) = &self.runtime else { return Observed::new() };
        let runtime = runtime.document();
        runtime.all_stuck().map(|(pattern, stuck)| (pattern.into_owned(), stuck)).collect()
    }
}

impl Store {
    /// The registry in `directories`. Nothing is looked at yet.
    #[must_use]
    pub fn new(directories: Directories) -> Self {
        Store { runtime: directories.runtime(), directories, patience: PATIENCE, root: Root::Own }
    }

    /// The same, with writers that wait at most this long for each other (10 s otherwise).
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Store { patience, ..self }
    }

    /// The same for one who reads from inside of a chroot.
    pub(crate) fn beginning_at(self, root: &Root) -> Self {
        Store { root: root.clone(), ..self }
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Where the files are.
    #[must_use]
    pub fn directories(&self) -> &Directories {
        &self.directories
    }

    /// The persistent file, or `None` when there is none.
    ///
    /// # Errors
    /// [`ErrorKind::DamagedRegistry`] with file, line and remedy; [`ErrorKind::Permission`],
    /// [`ErrorKind::Io`].
    pub fn read_persistent(&self) -> Result<Option<Snapshot>, Error> {
        self.open_persistent()?.as_ref().map(Source::whole).transpose()
    }

    fn open_persistent(&self) -> Result<Option<Source>, Error> {
        let remedy = "repair it or put back a copy; to begin with no mountpoints, \
                      let `# mountguard 1 generation=0` be its only line";
        Source::open(&self.root, &self.directories.persistent(), remedy)
    }

    /// The list that guards go by: the runtime file, else the persistent one, else `None`.
    ///
    /// # Errors
    /// As [`Store::read_persistent`]. A runtime file that cannot be read is an error too, never a
    /// reason to look elsewhere: it may say of a mountpoint what the other file does not.
    pub fn read_effective(&self) -> Result<Option<Snapshot>, Error> {
        self.open_effective()?.as_ref().map(Source::whole).transpose()
    }

    /// The same, read only as far as it is asked about.
    pub(crate) fn open_effective(&self) -> Result<Option<Source>, Error> {
        match self.open_runtime()? {
            Some(runtime) => Ok(Some(runtime)),
            None => self.open_persistent(),
        }
    }

    /// What [`Snapshot::stamp`] of [`Store::read_effective`] would be: one statx where there is a
    /// runtime file.
    ///
    /// # Errors
    /// [`ErrorKind::Permission`], [`ErrorKind::Io`], and [`ErrorKind::DamagedRegistry`] for a symbolic
    /// link that leads nowhere.
    pub fn stamp(&self) -> Result<Stamp, Error> {
        match Stamp::of(&self.root, &self.runtime)? {
            Stamp::Absent => Stamp::of(&self.root, &self.directories.persistent()),
            stamp => Ok(stamp),
        }
    }

    /// Applies `change` to the newest list and writes it, first the persistent file, then the runtime
    /// one, which keeps what was observed. Before that the runtime file is brought up to date, should the
    /// persistent one have been edited by hand or its last writer been killed. Without a change nothing
    /// else is written; without a run directory, only the persistent file.
    ///
    /// # Errors
    /// What `change` returns. [`ErrorKind::Temporary`] when another writer holds the lock for too long.
    /// As [`Store::read_persistent`], for either file. [`ErrorKind::DamagedRegistry`] when the
    /// persistent file is gone but a runtime file is there. [`ErrorKind::Io`], [`ErrorKind::Permission`]
    /// when it cannot be written. After any of them the list is what it was before; the text
    /// says so should the disk not even have allowed that.
    pub fn update<T>(&self, change: impl FnOnce(&mut Document) -> Result<T, Error>) -> Result<T, Error> {
        self.write(change, |_| {})
    }

    /// Makes the runtime file anew from the persistent one and what had been observed. For every start.
    ///
    /// # Errors
    /// As [`Store::update`].
    pub fn restore(&self) -> Result<(), Error> {
        self.update(|_| Ok(()))
    }

    /// Records in the runtime file that mountpoints are stuck, or with `None` that they answer again. A directory
    /// that only a wildcard speaks of gets a line of its own there for as long. One that is no longer registered is
    /// passed over.
    ///
    /// # Errors
    /// As [`Store::update`].
    pub fn observe(&self, observations: &[(Pattern<'_>, Option<Stuck>)]) -> Result<(), Error> {
        self.write(
            |_| Ok(()),
            |runtime| {
                for (pattern, stuck) in observations {
                    runtime.observe(pattern, *stuck);
                }
            },
        )
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&mut Document) -> Result<T, Error>,
        observe: impl FnOnce(&mut Document),
    ) -> Result<T, Error> {
        let _lock = Lock::take(&self.directories.lock(), self.patience)?;
        let mut found = self.find()?;
        let observed = found.observed();
        let mut document = found.persistent.as_ref().map(Snapshot::document).unwrap_or_default();
        let mut runtime = document.with_observed(&observed);
        if found.persistent.is_some() {
            self.reconcile(&mut found, &runtime)?;
        }
        let value = change(&mut document)?;
        if document.is_changed() {
            document.count_write();
            runtime = document.with_observed(&observed);
        } else if found.persistent.is_none() {
            return Ok(value);
        }
        observe(&mut runtime);
        self.replace(&found, document.is_changed().then_some(&document), &runtime)?;
        Ok(value)
    }

    /// Brings the runtime file up to the persistent one, before that goes ahead again: with one killed
    /// writer after the other, readers would otherwise fall behind by more than the last write.
    fn reconcile(&self, found: &mut Found, runtime: &Document) -> Result<(), Error> {
        if self.replace(found, None, runtime)? {
            found.runtime = self.read_runtime()?;
        }
        Ok(())
    }

    /// Both files get their temporary file before either is replaced: a full disk is noticed while
    /// there is nothing to undo. The disk works on the persistent one while the runtime one is written.
    ///
    /// The runtime file is synced as well though every start makes it anew. In memory, where it normally lies, that is
    /// free; on a disk one that a power cut left cut off would be damaged and refuse everything.
    ///
    /// False when there was nothing to be written.
    fn replace(
        &self,
        found: &Found,
        persistent: Option<&Document>,
        runtime: &Document,
    ) -> Result<bool, Error> {
        let (persistent_path, runtime_path) = (self.directories.persistent(), self.directories.runtime());
        let persistent = persistent
            .map(|list| Replacement::stage(&persistent_path, bytes_of(&found.persistent), &list.pieces()));
        let persistent = persistent.transpose()?;
        let (old, new) = (bytes_of(&found.runtime), runtime.runtime_pieces());
        let runtime = if old.is_some_and(|old| new.are(old)) || is_gone(&self.directories.run)? {
            None
        } else {
            Some(Replacement::stage(&runtime_path, old, &new)?)
        };
        [&persistent, &runtime].into_iter().flatten().try_for_each(Replacement::settle)?;
        if let Some(persistent) = &persistent {
            persistent.publish()?;
        }
        if let Some(runtime) = &runtime {
            runtime.publish().map_err(|cause| match &persistent {
                Some(persistent) => persistent.put_back(cause),
                None => cause,
            })?;
        }
        Ok(persistent.is_some() || runtime.is_some())
    }

    fn find(&self) -> Result<Found, Error> {
        let found = Found { persistent: self.read_persistent()?, runtime: self.read_runtime()? };
        match &found {
            Found { persistent: None, runtime: Some(_) } => Err(self.persistent_lost()),
            _ => Ok(found),
        }
    }

    /// The state directory may lie on a filesystem that is not mounted just now.
    fn persistent_lost(&self) -> Error {
        let (persistent, runtime) = (self.directories.persistent(), self.directories.runtime());
        let text = format!(
            "registry {} is gone, but {} made from it is there; mount or restore the former, \
             or copy the latter to it, or remove both to begin anew",
            quoted(&persistent),
            quoted(&runtime)
        );
        Error::new(ErrorKind::DamagedRegistry, text)
    }

    fn read_runtime(&self) -> Result<Option<Snapshot>, Error> {
        self.open_runtime()?.as_ref().map(Source::whole).transpose()
    }

    fn open_runtime(&self) -> Result<Option<Source>, Error> {
        let remedy = "remove it and run `mountguard state`: it is made anew from the persistent one";
        Source::open(&self.root, &self.directories.runtime(), remedy)
    }
}

fn bytes_of(snapshot: &Option<Snapshot>) -> Option<&[u8]> {
    snapshot.as_ref().map(Snapshot::bytes)
}

/// Where there is no run directory, readers go by the persistent file.
fn is_gone(directory: &Path) -> Result<bool, Error> {
    Ok(!directory.try_exists().map_err(|cause| Error::syscall("statx", directory, cause))?)
}
