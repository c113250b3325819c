//! The one place that asks mount-core for verdicts and permits.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mount_core::{
    Cause, Directories, Epoch, Error, ErrorKind, Mounts, Operation, Outside, Refusal, State, WhenMissing,
};

use crate::permitted::{NOTHING_REGISTERED, Permitted};
use crate::told::Told;

pub(crate) use mount_core::Permit;

/// Why something may not go on.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The path that was asked about.
    pub(crate) path: PathBuf,
    /// The mountpoint that refuses it; empty when the registry or the question is to blame.
    pub(crate) mountpoint: PathBuf,
    /// What tells one outage of the mountpoint from the next.
    pub(crate) reason: &'static str,
    /// The state of that mountpoint.
    pub(crate) state: Option<State>,
    /// Mountpoint, state and remedy in one line.
    pub(crate) line: String,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused {
            path: refusal.path().to_owned(),
            mountpoint: refusal.mountpoint().unwrap_or(Path::new("")).to_owned(),
            reason: reason(refusal.cause()),
            state: refusal.state(),
            line: refusal.to_string(),
        }
    }
}

/// The one reason that refuses writing only.
pub(crate) const READ_ONLY: &str = "read-only";

fn reason(cause: &Cause) -> &'static str {
    match cause {
        Cause::State(state) => state.as_str(),
        Cause::Presence(presence) => presence.as_str(),
        // The same outage as seen a moment later.
        Cause::Vanished => "not-mounted",
        Cause::ReadOnly => READ_ONLY,
        Cause::Registry(_) => "registry",
        Cause::Displaced(_) => "displaced",
        _ => "path",
    }
}

/// Where a registry is, and what it means when there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) state_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) required: bool,
    /// What the process has changed its root to. Directories are named as outside.
    pub(crate) chroot: Option<PathBuf>,
}

/// A registry as one process sees it.
pub(crate) struct Judge {
    source: Result<Source, String>,
    outside: Option<Outside>,
    opened: Option<Box<Opened>>,
}

/// The registered mountpoints, and what was learnt of them. The registry and the mount table are each looked at once a
/// turn of the event loop.
struct Opened {
    mounts: Mounts,
    /// The turn in which the registry was looked at last.
    refreshed: u64,
    /// The turn in which the mount table was, and what it was.
    looked: Option<(u64, Epoch)>,
    /// The epoch of the last look, and its number.
    numbered: Option<(Epoch, u64)>,
    permitted: Permitted,
    told: Told,
}

impl Opened {
    fn new(source: &Source, outside: Option<&Outside>, turn: u64) -> Result<Opened, Error> {
        let directories = Directories { state: source.state_dir.clone(), run: source.run_dir.clone() };
        let missing = if source.required { WhenMissing::Refuse } else { WhenMissing::NothingRegistered };
        let mounts = match (&source.chroot, outside) {
            (None, _) => Mounts::open(&directories, missing)?,
            (Some(chroot), Some(outside)) => Mounts::open_in_chroot(&directories, missing, outside, chroot)?,
            (Some(chroot), None) => return Err(loaded_inside(chroot)),
        };
        Ok(Opened {
            mounts,
            refreshed: turn,
            looked: None,
            numbered: None,
            permitted: Permitted::default(),
            told: Told::default(),
        })
    }

    /// Looks at the mount table when this turn has not had a look.
    fn look(&mut self, turn: u64) -> Epoch {
        match self.looked {
            Some((looked, epoch)) if looked == turn => epoch,
            _ => {
                let epoch = self.mounts.epoch();
                self.permitted.enter(epoch);
                self.looked = Some((turn, epoch));
                if self.numbered.is_none_or(|(before, _)| before != epoch) {
                    self.numbered = Some((epoch, EPOCHS.fetch_add(1, Ordering::Relaxed)));
                }
                epoch
            }
        }
    }
}

/// How many epochs this process has seen, of all its registries: a number is never given twice.
static EPOCHS: AtomicU64 = AtomicU64::new(1);

/// How a question is to be answered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Hold the mounts while it goes on.
    pub(crate) pin: bool,
    /// A precaution: nothing is refused yet, so there is nothing to log.
    pub(crate) quiet: bool,
}

impl Judge {
    /// A judge that has not looked yet. Settings that mean nothing refuse everything.
    pub(crate) fn new(source: Result<Source, String>, outside: Option<Outside>) -> Judge {
        Judge { source, outside, opened: None }
    }

    /// The registered mountpoints, after a look at the registry when this turn has not had one.
    fn open(&mut self, turn: u64) -> Result<&mut Opened, Error> {
        let source = self.source.as_ref().map_err(|text| Error::new(ErrorKind::Usage, text))?;
        let opened = match self.opened.take() {
            Some(mut opened) => {
                if opened.refreshed != turn {
                    // On an error the registry is opened afresh the next time, however soon that is.
                    opened.mounts.refresh()?;
                    opened.refreshed = turn;
                }
                opened
            }
            None => Box::new(Opened::new(source, self.outside.as_ref(), turn)?),
        };
        Ok(self.opened.insert(opened))
    }

    /// The assurance that is in force, see [`Permitted::assurance`]; [`NOTHING_REGISTERED`] where everything is
    /// permitted, 0 without a registry. The mount table is looked at when this turn has not had a look, and when `now`
    /// is asked for.
    pub(crate) fn assurance(&mut self, turn: u64, now: bool) -> u64 {
        let Ok(opened) = self.open(turn) else { return 0 };
        if opened.mounts.is_empty() {
            return NOTHING_REGISTERED;
        }
        if now {
            opened.looked = None;
        }
        opened.look(turn);
        opened.permitted.assurance()
    }

    /// The same as of the last look.
    pub(crate) fn assured(&self) -> u64 {
        self.opened.as_ref().map_or(0, |opened| opened.permitted.assurance())
    }

    /// The number of the epoch that was looked at last; 0 when none was.
    pub(crate) fn epoch(&self) -> u64 {
        let numbered = self.opened.as_ref().and_then(|opened| opened.numbered);
        numbered.map_or(0, |(_, number)| number)
    }

    /// Tells root that a store lies in this directory, unless there is no registry to go by.
    pub(crate) fn tell(&mut self, turn: u64, path: &Path) {
        let Ok(opened) = self.open(turn) else { return };
        let epoch = opened.look(turn);
        opened.told.enter(epoch, &opened.mounts);
        opened.told.tell(&opened.mounts, path);
    }

    /// Whether every path may be used for the operation.
    ///
    /// What was permitted once stays so for as long as the registry and the mount table stay the same, see
    /// [`Permitted`]. Whatever makes, moves or deletes is to be pinned, and so judged afresh.
    pub(crate) fn verdict(
        &mut self,
        turn: u64,
        operation: Operation,
        paths: &[&Path],
    ) -> Result<(), Refused> {
        let opened = self.open(turn).map_err(|error| no_registry(operation, error))?;
        let epoch = opened.look(turn);
        for path in paths {
            if !opened.permitted.has(operation, path) {
                opened.mounts.verdict_since(epoch, operation, path)?;
                opened.permitted.add(operation, path);
            }
        }
        Ok(())
    }

    /// The same, holding the mounts until the permit is dropped.
    pub(crate) fn authorize(
        &mut self,
        turn: u64,
        operation: Operation,
        paths: &[&Path],
    ) -> Result<Permit, Refused> {
        let opened = self.open(turn).map_err(|error| no_registry(operation, error))?;
        let epoch = opened.look(turn);
        let permit = opened.mounts.authorize_since(epoch, operation, paths)?;
        paths.iter().for_each(|path| opened.permitted.add(operation, path));
        Ok(permit)
    }
}

/// Of what lies outside nothing can be had any more.
fn loaded_inside(chroot: &Path) -> Error {
    let text = format!(
        "the plugin was loaded inside of the chroot {chroot:?}, where no mountpoint can be judged; \
         instead of a chroot for the service, use mail_chroot or one from the userdb"
    );
    Error::new(ErrorKind::Usage, text)
}

/// Without a registry nobody knows what ought to be mounted; no single path is to blame.
fn no_registry(operation: Operation, error: Error) -> Refused {
    Refusal::registry(operation, Path::new(""), error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroot_that_nothing_leads_out_of_is_refused_with_what_to_do() {
        let (state_dir, run_dir) = (PathBuf::from("/var/lib/dovecot"), PathBuf::from("/run/dovecot"));
        let chroot = Some(PathBuf::from("/srv/jail"));
        let mut judge = Judge::new(Ok(Source { state_dir, run_dir, required: false, chroot }), None);
        let refused = judge.verdict(1, Operation::Open, &[Path::new("/mail")]);
        let line = refused.expect_err("nothing can be judged").line;
        assert!(line.contains("/srv/jail") && line.contains("use mail_chroot"), "{line}");
        assert_eq!(judge.assurance(1, false), 0);
    }
}
