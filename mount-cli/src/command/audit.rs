//! `mountguard audit`

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mount_core::audit::{MailUser, Underneath, look_underneath};
use mount_core::registry::Document;
use mount_core::{Error, ErrorKind, Mounts, State};
use nix::unistd::{Gid, Group, Uid, User};

use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::output::{Cell, Rows, Tone};
use crate::pool::{Outcome, Pool};
use crate::registered::{Subject, covering};
use crate::reply;
use crate::session::Session;

const COLUMNS: &[&str] =
    &["path", "owner", "mode", "immutable", "files", "bytes", "unread", "user", "writable"];

pub(crate) fn run(
    session: &Session<'_>,
    paths: &[PathBuf],
    user: Option<&str>,
    console: &mut Console,
) -> Result<u8, Failure> {
    session.needs_live_mounts("audit")?;
    let document = session.registry(console)?;
    let user = user.map(mail_user).transpose()?;
    let mut code = exit::OK;
    let rows = session.judging(console, |mounts, console| {
        let mountpoints = select(&document, mounts, paths)?;
        let deadline = Instant::now() + session.settings.timeout;
        let mut rows = Rows::new(COLUMNS);
        for (mountpoint, outcome) in look(mountpoints, user.as_ref(), deadline)? {
            match answer(&mountpoint, outcome) {
                Ok(row) => rows.push(row),
                Err(failure) => code = code.max(failure.report(console)),
            }
        }
        Ok(rows)
    })?;
    console.show(&rows, session.settings.format)?;
    Ok(code)
}

fn mail_user(name: &str) -> Result<MailUser, Failure> {
    MailUser::named(name)?.ok_or_else(|| {
        Failure::Usage(format!(
            "user {name:?} does not exist on this system; name the one that mail processes run as"
        ))
    })
}

/// The mountpoints to look underneath, without wildcards: those speak of directories that are told by name.
fn select(document: &Document, mounts: &Mounts, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if paths.is_empty() {
        let decisive = document.entries().filter(|entry| entry.state != State::Ignore).map(Subject::of);
        return Ok(decisive.filter_map(|subject| subject.mountpoint).collect());
    }
    let mountpoint = |path: &PathBuf| {
        let covering = covering(document, mounts, path).and_then(|subject| subject.mountpoint);
        covering.ok_or_else(|| {
            let text =
                format!("{path:?} lies below no registered mountpoint; register one with: mountguard add");
            Failure::Error(Error::new(ErrorKind::NotRegistered, text))
        })
    };
    paths.iter().map(mountpoint).collect()
}

/// Looks underneath all of them at once; the results are in the same order.
fn look(
    mountpoints: Vec<PathBuf>,
    user: Option<&MailUser>,
    deadline: Instant,
) -> Result<Vec<(PathBuf, Outcome)>, Failure> {
    let mut pool = Pool::new(deadline);
    for (at, mountpoint) in mountpoints.iter().enumerate() {
        let (mountpoint, user) = (mountpoint.clone(), user.cloned());
        pool.add(at, move || {
            let looked = look_underneath(&mountpoint, user.as_ref());
            reply::encode(looked.map(|(underneath, user)| values(&underneath, &user)).map_err(Failure::from))
        });
    }
    let mut outcomes = Vec::new();
    while let Some(answer) = pool.next() {
        outcomes.push(answer?);
    }
    outcomes.sort_by_key(|(at, _)| *at);
    Ok(mountpoints.into_iter().zip(outcomes.into_iter().map(|(_, outcome)| outcome)).collect())
}

fn answer(mountpoint: &Path, outcome: Outcome) -> Result<Vec<Cell>, Failure> {
    let failed = |kind, what| Err(Error::new(kind, format!("audit {mountpoint:?}: {what}")).into());
    let values = match outcome {
        Outcome::Answered(answer) => reply::decode(&answer)?,
        Outcome::Silent | Outcome::NotAsked => {
            return failed(ErrorKind::Temporary, "no answer in time; give it more with --timeout");
        }
        Outcome::Failed => return failed(ErrorKind::Io, "the process that looked died"),
    };
    let mut row = vec![Cell::Pattern { path: mountpoint.as_os_str().as_bytes().to_vec(), wildcard: false }];
    row.extend(KINDS.iter().zip(&values).map(|(kind, value)| kind(&String::from_utf8_lossy(value))));
    Ok(row)
}

/// What is looked at, in the order of [`KINDS`], by the process that looks.
fn values(underneath: &Underneath, user: &MailUser) -> reply::Values {
    let owner = (Uid::from_raw(underneath.uid), Gid::from_raw(underneath.gid));
    let values = [
        format!("{}:{}", name_of_user(owner.0), name_of_group(owner.1)),
        format!("{:04o}", underneath.mode),
        underneath.immutable.map_or_else(String::new, |immutable| immutable.to_string()),
        underneath.files.to_string(),
        underneath.bytes.to_string(),
        underneath.unread.to_string(),
        name_of_user(user.uid()),
        underneath.writable.to_string(),
    ];
    values.into_iter().map(String::into_bytes).collect()
}

/// How each value is shown.
const KINDS: [fn(&str) -> Cell; 8] = [
    text,
    text,
    |immutable| flag(immutable, Tone::Good, Tone::Plain),
    number,
    number,
    number,
    text,
    |writable| flag(writable, Tone::Bad, Tone::Good),
];

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

fn number(value: &str) -> Cell {
    value.parse().map_or(Cell::Empty, Cell::Number)
}

fn flag(value: &str, yes: Tone, no: Tone) -> Cell {
    value.parse().map_or(Cell::Empty, |flag| Cell::Flag(flag, if flag { yes } else { no }))
}

fn name_of_user(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

fn name_of_group(gid: Gid) -> String {
    Group::from_gid(gid).ok().flatten().map_or_else(|| gid.to_string(), |group| group.name)
}
