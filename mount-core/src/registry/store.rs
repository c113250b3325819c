//! Both registry files together.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::document::Observed;
use super::file::{Replacement, Snapshot, Stamp};
use super::lock::Lock;
use super::{Directories, Document, Pattern, Source, Stuck, index};
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

/// What a writer found under the lock. The files stay open: what they hold is put back should a replacement fail.
struct Found {
    persistent: Option<Source>,
    runtime: Option<Source>,
}

impl Found {
    /// Whether the runtime file has the persistent list as it is, and nothing observed: as mostly, and told without
    /// having a second list in memory.
    fn is_runtime(&self, persistent: &Document) -> Result<bool, Error> {
        match &self.runtime {
            Some(runtime) if persistent.all_stuck().next().is_none() => runtime.holds(&persistent.pieces()),
            _ => Ok(false),
        }
    }

    fn observed(&self) -> Result<Observed, Error> {
        let Some(runtime) = &self.runtime else { return Ok(Observed::new()) };
        let runtime = runtime.whole()?.document();
        Ok(runtime.all_stuck().map(|(pattern, stuck)| (pattern.into_owned(), stuck)).collect())
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
    /// What `change` returns. [`ErrorKind::Usage`] when both directories are one. [`ErrorKind::Temporary`] when another writer holds the lock for too long.
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
        self.directories.must_differ()?;
        let _lock = Lock::take(&self.directories.lock(), self.patience)?;
        let mut found = self.find()?;
        let persistent = found.persistent.as_ref().map(Source::whole).transpose()?;
        let mut document = persistent.as_ref().map(Snapshot::document).unwrap_or_default();
        let is_current = found.is_runtime(&document)?;
        let observed = if is_current { Observed::new() } else { found.observed()? };
        if found.persistent.is_some() && !is_current {
            self.reconcile(&mut found, &document.with_observed(&observed))?;
        }
        let value = change(&mut document)?;
        if document.is_changed() {
            document.count_write();
        } else if found.persistent.is_none() {
            return Ok(value);
        }
        let mut runtime = document.with_observed(&observed);
        observe(&mut runtime);
        self.replace(&found, document.is_changed().then_some(&document), &runtime)?;
        Ok(value)
    }

    /// Brings the runtime file up to the persistent one, before that goes ahead again: with one killed
    /// writer after the other, readers would otherwise fall behind by more than the last write.
    fn reconcile(&self, found: &mut Found, runtime: &Document) -> Result<(), Error> {
        if self.replace(found, None, runtime)? {
            found.runtime = self.open_runtime()?;
        }
        Ok(())
    }

    /// Both files get their temporary file before either is replaced: a full disk is noticed while
    /// there is nothing to undo. The runtime one is written while the disk works on the persistent one.
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
        let stage =
            |list: &Document| Replacement::stage(&persistent_path, found.persistent.as_ref(), &list.pieces());
        let persistent = persistent.map(stage).transpose()?;
        let stage_runtime = || self.stage_runtime(found, runtime, &runtime_path);
        let (settled, runtime) = match &persistent {
            Some(persistent) => meanwhile(|| persistent.settle(), stage_runtime),
            None => (Ok(()), stage_runtime()),
        };
        settled?;
        let runtime = runtime?;
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

    /// `None` where there is nothing to be written.
    fn stage_runtime<'a>(
        &self,
        found: &'a Found,
        runtime: &Document,
        path: &'a Path,
    ) -> Result<Option<Replacement<'a>>, Error> {
        let new = runtime.runtime_pieces();
        let old = found.runtime.as_ref();
        if is_gone(&self.directories.run)? || old.map_or(Ok(false), |old| old.holds(&new))? {
            return Ok(None);
        }
        let staged = Replacement::stage(path, old, &new)?;
        staged.settle()?;
        if Source::is_long(new.len()) {
            // Without one, readers take longer.
            let _ = staged.stamp().and_then(|stamp| index::write(&self.directories.index(), stamp, &new));
        }
        Ok(Some(staged))
    }

    fn find(&self) -> Result<Found, Error> {
        let found = Found { persistent: self.open_persistent()?, runtime: self.open_runtime()? };
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

    fn open_runtime(&self) -> Result<Option<Source>, Error> {
        let remedy = "remove it and run `mountguard state`: it is made anew from the persistent one";
        let runtime = Source::open(&self.root, &self.directories.runtime(), remedy)?;
        Ok(runtime.map(|runtime| runtime.with_index(&self.root, &self.directories.index())))
    }
}

/// Works while a thread waits.
fn meanwhile<T>(
    wait: impl Fn() -> Result<(), Error> + Sync,
    work: impl FnOnce() -> T,
) -> (Result<(), Error>, T) {
    thread::scope(|scope| {
        let waiting = thread::Builder::new().spawn_scoped(scope, &wait);
        let done = work();
        let waited = match waiting {
            Ok(waiting) => waiting.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // One thing after the other, where there can be no thread.
            Err(_) => wait(),
        };
        (waited, done)
    })
}

/// Where there is no run directory, readers go by the persistent file.
fn is_gone(directory: &Path) -> Result<bool, Error> {
    Ok(!directory.try_exists().map_err(|cause| Error::syscall("statx", directory, cause))?)
}
