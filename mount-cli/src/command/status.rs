//! `mountguard status`

mod dovecot;
mod export;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use mount_core::registry::{Document, Mode, Pattern};
use mount_core::{Examination, Mounts, Presence, State, probe};

use crate::arguments::View;
use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::output::{Cell, Format, Rows, Tone, moment};
use crate::pool::{Outcome, Pool};
use crate::registered::{Subject, covering};
use crate::reply;
use crate::session::Session;

const COLUMNS: &[&str] = &["path", "state", "presence", "filesystem", "source", "since", "why"];

pub(crate) fn run(
    session: &Session<'_>,
    paths: &[PathBuf],
    all: bool,
    console: &mut Console,
) -> Result<u8, Failure> {
    let format = session.settings.format;
    if format == Some(Format::Nagios) && matches!(session.store.read_effective(), Ok(None)) {
        let directory = &session.settings.directories.state;
        let text = format!(
            "there is no registry in {directory:?}, so that Dovecot refuses everything where one is required; begin \
             one with: mountguard add MOUNTPOINT"
        );
        console.write(&export::nagios_unknown(&text))?;
        return Ok(export::UNKNOWN);
    }
    let (looks, code) = match see(session, paths, all, console) {
        // A check that could not be made says so in the words of its monitoring system.
        Err(failure) if format == Some(Format::Nagios) => {
            console.write(&export::nagios_unknown(&failure.text().unwrap_or_default()))?;
            return Ok(export::UNKNOWN);
        }
        seen => seen?,
    };
    match format {
        Some(Format::Nagios) => {
            let (line, code) = export::nagios(&looks);
            console.write(&line)?;
            return Ok(code);
        }
        Some(Format::Prometheus) => console.write(&export::prometheus(&looks))?,
        _ => {
            dovecot::compare(session, &looks, console);
            console.show(&rows(looks), format)?;
        }
    }
    Ok(code)
}

/// Looks at what was asked for. The exit code says whether some of it is not registered.
fn see(
    session: &Session<'_>,
    paths: &[PathBuf],
    all: bool,
    console: &mut Console,
) -> Result<(Vec<Look>, u8), Failure> {
    let document = session.registry(console)?;
    session.judging(console, |mounts, console| {
        let (subjects, code) = if paths.is_empty() {
            let shown = document.entries().filter(|entry| all || entry.state != State::Ignore);
            (shown.map(|entry| Subject::of(&entry)).collect(), exit::OK)
        } else {
            let (found, missing) = select(&document, mounts, paths, console);
            (found, if missing { exit::NO_MOUNTPOINT } else { exit::OK })
        };
        let looks = if matches!(session.settings.view, View::Recorded(_)) {
            subjects.into_iter().map(|subject| Look::at(subject, mounts)).collect()
        } else {
            look(&document, mounts, subjects, Instant::now() + session.settings.timeout)?
        };
        Ok((looks, code))
    })
}

/// The mountpoints that the paths are or lie below, and whether one of them lies below none.
fn select(
    document: &Document,
    mounts: &Mounts,
    paths: &[PathBuf],
    console: &mut Console,
) -> (Vec<Subject>, bool) {
    let (mut found, mut missing) = (Vec::new(), false);
    for path in paths {
        match covering(document, mounts, path) {
            Some(subject) => found.push(subject),
            None => {
                missing = true;
                console.say(format_args!(
                    "{path:?} lies below no registered mountpoint, so that everything is permitted there; \
                     register one with: mountguard add"
                ));
            }
        }
    }
    (found, missing)
}

/// What was seen of one mountpoint.
struct Look {
    subject: Subject,
    /// `None` for a wildcard as such, which is no mountpoint.
    examination: Option<Examination>,
    /// What came of asking the filesystem itself.
    asked: Option<Outcome>,
}

impl Look {
    fn at(subject: Subject, mounts: &Mounts) -> Self {
        let examination = subject.mountpoint.as_deref().map(|mountpoint| mounts.examine(mountpoint));
        Look { subject, examination, asked: None }
    }

    fn is_mounted(&self) -> bool {
        let presence = self.examination.as_ref().map(|examination| &examination.presence);
        matches!(presence, Some(Presence::Mounted | Presence::Stuck | Presence::WrongFilesystem(_)))
    }
}

/// Looks at all of them, and asks all that are mounted whether they answer, at once.
///
/// The directories that a wildcard speaks of are listed in the same way, and then looked at themselves.
fn look(
    document: &Document,
    mounts: &Mounts,
    subjects: Vec<Subject>,
    deadline: Instant,
) -> Result<Vec<Look>, Failure> {
    let mut looks: Vec<Look> = subjects.into_iter().map(|subject| Look::at(subject, mounts)).collect();
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut pool = Pool::new(deadline);
    for (at, look) in looks.iter().enumerate() {
        ask(&mut pool, at, look);
    }
    while let Some(answer) = pool.next() {
        let (at, outcome) = answer?;
        if let (None, Outcome::Answered(listing)) = (&looks[at].examination, &outcome) {
            for directory in reply::decode(listing).unwrap_or_default() {
                if let Some(child) = child_of(&looks[at].subject, directory, document) {
                    let look = Look::at(child, mounts);
                    ask(&mut pool, looks.len(), &look);
                    children.entry(at).or_default().push(looks.len());
                    looks.push(look);
                }
            }
        }
        looks[at].asked = Some(outcome);
    }
    Ok(in_order(looks, &children))
}

/// Children go behind their wildcard.
fn in_order(looks: Vec<Look>, children: &HashMap<usize, Vec<usize>>) -> Vec<Look> {
    let mut position: Vec<(usize, usize)> = (0..looks.len()).map(|at| (at, 0)).collect();
    for (parent, found) in children {
        for (order, child) in found.iter().enumerate() {
            position[*child] = (*parent, order + 1);
        }
    }
    let mut placed: Vec<_> = position.into_iter().zip(looks).collect();
    placed.sort_by_key(|(position, _)| *position);
    placed.into_iter().map(|(_, look)| look).collect()
}

fn ask(pool: &mut Pool<usize>, at: usize, look: &Look) {
    let directory = look.subject.entry.pattern.path().to_path_buf();
    match (&look.subject.mountpoint, look.subject.entry.state) {
        (None, State::Ignore) => {}
        (None, _) => pool.add(at, move || reply::encode(directories_in(&directory))),
        (Some(mountpoint), _) if look.is_mounted() => {
            let mountpoint = mountpoint.clone();
            pool.add(at, move || {
                reply::encode(probe::touch(&mountpoint).map(|()| Vec::new()).map_err(Failure::from))
            });
        }
        (Some(_), _) => {}
    }
}

/// The names of all directories in one, sorted.
fn directories_in(directory: &Path) -> Result<reply::Values, Failure> {
    let fail = |cause| mount_core::Error::syscall("read directory", directory, cause);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.push(entry.file_name().into_vec());
        }
    }
    names.sort();
    Ok(names)
}

/// A directory that a wildcard speaks of, unless it is registered by itself.
fn child_of(wildcard: &Subject, name: Vec<u8>, document: &Document) -> Option<Subject> {
    let mountpoint = wildcard.entry.pattern.path().join(OsStr::from_bytes(&name));
    let explicit = Pattern::literal(&mountpoint).ok().and_then(|pattern| document.get(&pattern));
    explicit.is_none().then(|| Subject::child(&wildcard.entry, mountpoint))
}

fn rows(looks: Vec<Look>) -> Rows {
    let mut rows = Rows::new(COLUMNS);
    for look in looks {
        rows.push(row(&look));
    }
    rows
}

fn row(look: &Look) -> Vec<Cell> {
    let Subject { entry, mountpoint } = &look.subject;
    let path = match mountpoint {
        Some(mountpoint) => {
            Cell::Pattern { path: mountpoint.as_os_str().as_bytes().to_vec(), wildcard: false }
        }
        None => Cell::pattern(&entry.pattern),
    };
    let state = super::state::cell(entry.state);
    let Some(examination) = &look.examination else {
        return vec![
            path,
            state,
            Cell::Empty,
            Cell::Empty,
            Cell::Empty,
            Cell::Empty,
            Cell::text(why_wildcard(look)),
        ];
    };
    let (presence, health) = judged(look, examination);
    let why = why(look, examination, &presence, &health);
    let filesystem = examination.filesystem.as_ref();
    let since = entry.options.stuck().filter(|_| presence == Presence::Stuck).and_then(|stuck| stuck.since);
    vec![
        path,
        state,
        word(&presence),
        filesystem.map_or(Cell::Empty, |found| Cell::Bytes(found.fs_type.clone())),
        filesystem.map_or(Cell::Empty, |found| Cell::Bytes(found.source.clone())),
        since.map_or(Cell::Empty, |since| Cell::Text(moment(since))),
        Cell::text(why),
    ]
}

fn word(presence: &Presence) -> Cell {
    let tone = match presence {
        Presence::Mounted => Tone::Good,
        Presence::Idle => Tone::Plain,
        _ => Tone::Bad,
    };
    Cell::Word(presence.as_str(), tone)
}

/// What the filesystem itself said of it, when it was asked.
#[derive(Debug, PartialEq, Eq)]
enum Health {
    /// Nothing against it, or there was nothing to ask.
    Well,
    /// Nothing, since this user may not reach it; others may.
    Closed(String),
    /// An error, as one whose server or disk is gone does.
    Failing(String),
    /// Nothing, since nobody asked it.
    Unasked(&'static str),
}

impl Health {
    fn text(&self) -> Option<&str> {
        match self {
            Health::Well => None,
            Health::Closed(text) | Health::Failing(text) => Some(text),
            Health::Unasked(text) => Some(text),
        }
    }
}

/// The presence, once the filesystem itself was asked, and how it is.
fn judged(look: &Look, examination: &Examination) -> (Presence, Health) {
    let health = match &look.asked {
        Some(Outcome::Silent) => return (Presence::Stuck, Health::Failing("does not answer".to_owned())),
        Some(Outcome::NotAsked) => Health::Unasked("not asked: too many others did not answer"),
        Some(Outcome::Failed) => Health::Unasked("the process that asked it died"),
        Some(Outcome::Answered(answer)) => match reply::decode(answer) {
            Ok(_) => Health::Well,
            Err(failure) if failure.code() == exit::PERMISSION => {
                Health::Closed(failure.text().unwrap_or_default())
            }
            Err(failure) => Health::Failing(failure.text().unwrap_or_default()),
        },
        None => Health::Well,
    };
    (examination.presence.clone(), health)
}

/// What there is to say about it.
fn why(look: &Look, examination: &Examination, presence: &Presence, health: &Health) -> Option<String> {
    if let Some(text) = presence.reason().or(health.text()) {
        return Some(text.to_owned());
    }
    let text = match presence {
        Presence::Stuck => "answers again; refused until this is recorded",
        Presence::NotMounted => "nothing is mounted there",
        Presence::Idle => "an automount, mounted when it is used",
        _ => return remark(look, examination),
    };
    Some(text.to_owned())
}

/// What refuses although the filesystem is there.
fn remark(look: &Look, examination: &Examination) -> Option<String> {
    let read_only = examination.filesystem.as_ref().is_some_and(|found| found.read_only);
    let text = match look.subject.entry.state {
        State::Offline => "refused until it is set online",
        State::Failover => "refused: the replica is to be used",
        State::Ignore => "decides nothing",
        State::Online if read_only && look.subject.entry.options.mode() == Some(Mode::ReadWrite) => {
            "read-only, but read-write was recorded: what writes is refused"
        }
        State::Online => return None,
    };
    Some(text.to_owned())
}

fn why_wildcard(look: &Look) -> Option<String> {
    match &look.asked {
        Some(Outcome::Answered(answer)) => match reply::decode(answer) {
            Ok(_) => Some("each directory in it is a mountpoint".to_owned()),
            Err(failure) => failure.text(),
        },
        Some(_) => Some("cannot be listed: does not answer".to_owned()),
        None if look.subject.entry.state == State::Ignore => {
            Some("everything below it is ignored".to_owned())
        }
        None => Some("each directory in it is a mountpoint".to_owned()),
    }
}
