//! Which warnings have been given, so that each is given once.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::Flock;

use super::plan::{ABSENT, Warning, absence};
use crate::error::{Error, ErrorKind};
use crate::lock;

/// More than this is not read: it is not a list of ours.
const SIZE_MAX: u64 = 16 << 20;

/// The warnings that hold, as of the last time.
///
/// A file of its own beside the runtime registry: that one speaks of registered mountpoints only, and warnings are
/// about protocols and unregistered paths as well. Like it, it is gone after a boot, so that every start tells once
/// what is wrong. As long as this value lives, other discoveries wait for it, each for as long as it likes.
#[derive(Debug)]
pub struct Memory {
    file: Option<Flock<File>>,
    path: PathBuf,
    given: BTreeSet<String>,
}

/// What has changed since the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Warnings that did not hold before.
    pub new: Vec<Warning>,
    over: BTreeSet<String>,
}

impl Changes {
    /// Whether it was warned that a mountpoint is absent, and that no longer holds.
    #[must_use]
    pub fn has_returned(&self, mountpoint: &Path) -> bool {
        self.over.contains(&absence(mountpoint))
    }
}

impl Memory {
    /// What is remembered in a run directory; nothing where there is no such directory, it cannot be written, or another
    /// discovery has held it for all of `patience`, since nobody reads what it has to say: then everything is new.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the file is there but cannot be read.
    pub fn open(run_dir: &Path, patience: Duration) -> Result<Memory, Error> {
        let path = run_dir.join("mounts.warned");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let Ok(file) = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path) else {
            return Ok(Memory::none(path));
        };
        let mut file = match lock::exclusive(file, &path, patience) {
            Err(error) if error.kind() == ErrorKind::Temporary => return Ok(Memory::none(path)),
            other => other?,
        };
        let mut text = Vec::new();
        let read = (&mut *file).take(SIZE_MAX).read_to_end(&mut text);
        read.map_err(|cause| Error::syscall("read", &path, cause).with_kind(ErrorKind::Io))?;
        let given = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        Ok(Memory { file: Some(file), path, given })
    }

    fn none(path: PathBuf) -> Memory {
        Memory { file: None, path, given: BTreeSet::new() }
    }

    /// What is new among the warnings that hold now, and what is over.
    #[must_use]
    pub fn compare(&self, now: &[Warning]) -> Changes {
        let keys: BTreeSet<String> = now.iter().map(Warning::key).collect();
        let over = self.given.difference(&keys).cloned().collect();
        Changes {
            new: now.iter().filter(|warning| !self.given.contains(&warning.key())).cloned().collect(),
            over,
        }
    }

    /// Remembers that all these hold, and no others; where not everything could be found out (`complete` false),
    /// only what was told of registered mountpoints can be over. To be called after they were given: one that is
    /// given twice is better than one that is lost.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the file cannot be written.
    pub fn remember(mut self, now: &[Warning], complete: bool) -> Result<(), Error> {
        let mut keys: BTreeSet<String> = now.iter().map(Warning::key).collect();
        let is_kept = |key: &&String| !complete && !key.starts_with(ABSENT);
        keys.extend(self.given.iter().filter(is_kept).cloned());
        let Some(file) = self.file.as_mut().filter(|_| keys != self.given) else { return Ok(()) };
        let text: String = keys.iter().flat_map(|key| [key, "\n"]).collect();
        let written = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.set_len(0))
            .and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(|cause| Error::syscall("write", &self.path, cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Presence;

    const LONG: Duration = Duration::from_secs(60);

    fn absent(path: &str) -> Warning {
        Warning::Absent(path.into(), Presence::NotMounted)
    }

    #[test]
    fn warning_is_new_once_for_as_long_as_it_holds_and_its_end_is_told_once() {
        let run = tempfile::tempdir().expect("a run directory");
        let step = |now: &[&str]| {
            let now: Vec<Warning> = now.iter().map(|path| absent(path)).collect();
            let memory = Memory::open(run.path(), LONG).expect("open");
            let changes = memory.compare(&now);
            memory.remember(&now, true).expect("remember");
            (
                changes.new.len(),
                ["/srv/mail\n\u{7f}", "/srv/alt"].map(|path| changes.has_returned(Path::new(path))),
            )
        };
        let (mail, alt) = ("/srv/mail\n\u{7f}", "/srv/alt");
        assert_eq!(step(&[mail]), (1, [false, false]));
        assert_eq!(step(&[mail]), (0, [false, false]));
        assert_eq!(step(&[mail, alt]), (1, [false, false]));
        assert_eq!(step(&[alt]), (0, [true, false]));
        assert_eq!(step(&[alt]), (0, [false, false]));
        assert_eq!(step(&[mail]), (1, [false, true]));
    }

    #[test]
    fn what_could_not_be_found_out_is_not_over() {
        let run = tempfile::tempdir().expect("a run directory");
        let unguarded = Warning::Unguarded(vec!["lmtp".to_owned()]);
        let memory = Memory::open(run.path(), LONG).expect("open");
        memory.remember(&[unguarded.clone(), absent("/srv/alt")], true).expect("remember");
        Memory::open(run.path(), LONG).expect("open").remember(&[], false).expect("remember");
        let changes = Memory::open(run.path(), LONG).expect("open").compare(&[unguarded, absent("/srv/alt")]);
        assert_eq!(changes.new, [absent("/srv/alt")]);
    }

    #[test]
    fn what_is_observed_is_not_part_of_a_warning_s_identity() {
        let wrong = Warning::Absent("/srv/alt".into(), Presence::WrongFilesystem("another".to_owned()));
        assert_eq!(wrong.key(), absent("/srv/alt").key());
    }

    #[test]
    fn without_a_run_directory_everything_is_new() {
        let memory = Memory::open(Path::new("/nonexistent/run"), LONG).expect("open nothing");
        assert_eq!(memory.compare(&[absent("/a")]).new, [absent("/a")]);
        memory.remember(&[absent("/a")], true).expect("nothing to write to");
    }

    #[test]
    fn what_another_discovery_holds_on_to_is_waited_for_no_longer_than_one_may() {
        let run = tempfile::tempdir().expect("a run directory");
        let first = Memory::open(run.path(), LONG).expect("open");
        let second = Memory::open(run.path(), Duration::from_millis(50)).expect("go without it");
        assert_eq!(second.compare(&[absent("/a")]).new, [absent("/a")]);
        second.remember(&[absent("/a")], true).expect("nothing to write to");
        first.remember(&[absent("/b")], true).expect("remember");
        let third = Memory::open(run.path(), LONG).expect("open");
        assert_eq!(third.compare(&[absent("/a"), absent("/b")]).new, [absent("/a")]);
    }
}
