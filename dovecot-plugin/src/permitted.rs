//! What was permitted, and need not be asked again while nothing has changed.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hashbrown::HashSet;
use mount_core::{Epoch, Operation};

/// How long a permit is believed without another walk along its path.
///
/// A poll of the mount table sees each mount, unmount and move, but neither a directory above that was renamed nor a
/// symlink that now leads elsewhere, and those change no mount: whoever does that moves a mail store while it is in
/// use. That may be noticed so much later; whatever makes, moves or deletes is judged afresh when it is pinned.
pub(crate) const BELIEVED: Duration = Duration::from_secs(10);

/// More paths than this remembered, and the memory starts anew: a process may serve many users.
const MAX_REMEMBERED: usize = 1024;

/// As an assurance: nothing is registered, and so everything permitted.
pub(crate) const NOTHING_REGISTERED: u64 = u64::MAX;

/// How many assurances this process has given: a number is never given twice.
static ASSURANCES: AtomicU64 = AtomicU64::new(1);

/// The paths permitted in the present epoch. That something was refused is never remembered.
#[derive(Debug, Default)]
pub(crate) struct Permitted {
    since: Option<(Epoch, Instant)>,
    assurance: u64,
    /// For operations that only read, and for those that write. By their bytes, which is many times as fast.
    paths: [HashSet<Box<[u8]>>; 2],
}

impl Permitted {
    /// Takes note of the epoch: in another one, or after a while, nothing is remembered.
    pub(crate) fn enter(&mut self, epoch: Epoch) {
        let now = Instant::now();
        let same = |(before, since): (Epoch, Instant)| before == epoch && now - since < BELIEVED;
        if !self.since.is_some_and(same) {
            self.since = Some((epoch, now));
            self.assurance = ASSURANCES.fetch_add(1, Ordering::Relaxed);
            self.forget();
        }
    }

    /// The number of the present epoch, or of the part of it in which nothing was forgotten on purpose: what was
    /// permitted with the same number is permitted. 0 before the first.
    pub(crate) fn assurance(&self) -> u64 {
        self.assurance
    }

    /// Whether it was permitted; what may be written may be read.
    pub(crate) fn has(&self, operation: Operation, path: &Path) -> bool {
        self.paths[usize::from(operation.writes())..]
            .iter()
            .any(|paths| paths.contains(path.as_os_str().as_bytes()))
    }

    /// Remembers what was permitted by a verdict that was asked for in the present epoch.
    pub(crate) fn add(&mut self, operation: Operation, path: &Path) {
        let full = self.paths.iter().any(|paths| paths.len() >= MAX_REMEMBERED);
        if full {
            self.forget();
        }
        self.paths[usize::from(operation.writes())].insert(path.as_os_str().as_bytes().into());
    }

    fn forget(&mut self) {
        self.paths.iter_mut().for_each(HashSet::clear);
    }
}
