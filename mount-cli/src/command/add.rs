//! `mountguard add`

use std::path::{Path, PathBuf};

use mount_core::registry::{Document, Entry, Inserted, Options, Pattern};
use mount_core::{Error, ErrorKind, Filesystem, Mounts, Presence, State};

use crate::arguments::Recording;
use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::registered::with_wildcard;
use crate::session::{Session, unusable};

pub(crate) fn run(
    session: &Session<'_>,
    path: &Path,
    state: Option<State>,
    recording: Recording,
    console: &mut Console,
) -> Result<u8, Failure> {
    session.registry(console)?;
    let written = Pattern::parse(path)?;
    let found = session.judging(console, |mounts, _| find(session, mounts, &written, state, recording))?;
    let pattern = with_wildcard(&found.real, written.is_wildcard())?;
    if pattern != written {
        console.say(format_args!("{written} leads to {pattern} by symlinks; that is what is registered"));
    }
    let wanted = Wanted { pattern, state, recording, found };
    let done = session.store.update(|document| wanted.put_into(document))?;
    wanted.report(done, console);
    Ok(exit::OK)
}

/// What is where something is to be registered.
struct Found {
    real: PathBuf,
    /// What is to be recorded of it; `None` where nothing is mounted yet.
    filesystem: Option<Filesystem>,
    idle: bool,
}

/// Looks at the path, and refuses what cannot become a mountpoint by being registered.
fn find(
    session: &Session<'_>,
    mounts: &Mounts,
    written: &Pattern<'_>,
    state: Option<State>,
    recording: Recording,
) -> Result<Found, Failure> {
    let path = written.path();
    let resolved = session.resolve(mounts, path)?;
    let real = resolved.path;
    if resolved.exists && !resolved.is_directory {
        return Err(unusable(format!("{real:?} is not a directory; name the directory that is mounted on")));
    }
    let nothing = |real| Ok(Found { real, filesystem: None, idle: false });
    // What is to be ignored decides nothing, mounted or not.
    if state == Some(State::Ignore) {
        return nothing(real);
    }
    if !resolved.exists && !recording.not_mounted {
        let hint = "create it and mount its filesystem, or register it all the same with --not-mounted";
        return Err(unusable(format!("{} does not exist; {hint}", shown(path, &real))));
    }
    if written.is_wildcard() {
        return nothing(real);
    }
    let examination = mounts.examine(&real);
    match examination.presence {
        Presence::Mounted | Presence::Stuck | Presence::WrongFilesystem(_) => {
            Ok(Found { real, filesystem: examination.filesystem, idle: false })
        }
        Presence::Idle => Ok(Found { real, filesystem: None, idle: true }),
        _ if recording.not_mounted => nothing(real),
        Presence::Unknown(why) => Err(unusable(format!(
            "whether {real:?} is mounted cannot be found out: {why}; or use --not-mounted"
        ))),
        Presence::NotMounted => Err(unusable(format!(
            "{real:?} is not mounted: nothing but the bare directory is there; mount its filesystem first, \
             or register it all the same with --not-mounted"
        ))),
    }
}

/// A path, and where it leads if that is elsewhere.
fn shown(path: &Path, real: &Path) -> String {
    if path == real { format!("{path:?}") } else { format!("{path:?} leads to {real:?}, which") }
}

/// What the registry is to say.
struct Wanted {
    pattern: Pattern<'static>,
    state: Option<State>,
    recording: Recording,
    found: Found,
}

/// What was done to the registry.
enum Done {
    Inserted(Inserted),
    /// The mountpoint was registered already; now the filesystem that is there is recorded.
    Recorded,
}

impl Wanted {
    fn put_into(&self, document: &mut Document) -> Result<Done, Error> {
        let Some(old) = document.get(&self.pattern).map(Entry::into_owned) else {
            let state = self.state.unwrap_or(State::Online);
            let mut entry = Entry::new(self.pattern.clone(), state);
            self.record(&mut entry.options)?;
            return document.insert(entry).map(Done::Inserted);
        };
        let mut entry = old.clone();
        self.record(&mut entry.options)?;
        let same_state = self.state.is_none_or(|state| state == old.state);
        if !same_state || entry == old {
            let text = format!(
                "{} is registered already, as {}; to change its state: mountguard state {:?} {}",
                self.pattern,
                old.state,
                self.pattern.path(),
                self.state.map_or("STATE", State::as_str),
            );
            return Err(Error::new(ErrorKind::Data, text));
        }
        document.replace(entry)?;
        Ok(Done::Recorded)
    }

    fn record(&self, options: &mut Options<'static>) -> Result<(), Error> {
        let Some(filesystem) = &self.found.filesystem else {
            if self.recording.require_identity {
                let text = format!(
                    "nothing is mounted on {} whose identity could be required; mount it first",
                    self.pattern
                );
                return Err(Error::new(ErrorKind::Data, text));
            }
            return Ok(());
        };
        options.record(filesystem);
        if self.recording.any_filesystem {
            options.require_identity(false);
        } else if self.recording.require_identity {
            options.require_identity(true);
        }
        Ok(())
    }

    /// Whether only a part of a filesystem is mounted: then a mount alone proves little, since another filesystem
    /// could be below it.
    fn is_part(&self) -> bool {
        self.found.filesystem.as_ref().is_some_and(|found| found.root != b"/")
    }

    fn report(&self, done: Done, console: &mut Console) {
        let pattern = &self.pattern;
        match done {
            Done::Inserted(Inserted::Revived) => {
                console.say(format_args!("{pattern} had been removed; it is registered again"));
            }
            Done::Recorded => {
                console.say(format_args!(
                    "{pattern} was registered already; what is mounted there now is recorded"
                ));
            }
            Done::Inserted(Inserted::New) => {}
        }
        if self.found.idle {
            console.say(format_args!("{pattern} is an idle automount; its filesystem is not recorded"));
        }
        if self.is_part() && !self.recording.any_filesystem && !self.recording.require_identity {
            let root = self.found.filesystem.as_ref().map(|found| String::from_utf8_lossy(&found.root));
            console.say(format_args!(
                "{pattern} is a part of its filesystem ({}), so any other in its place is refused; \
                 --any-filesystem accepts it",
                root.unwrap_or_default()
            ));
        }
    }
}
