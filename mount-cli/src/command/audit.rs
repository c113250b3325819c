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

const COLUMNS: &[&str] = &["path", "owner", "mode", "immutable", "files", "bytes", "user", "writable"];

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
                Ok(values) => rows.push(row(&mountpoint, values)),
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

fn answer(mountpoint: &Path, outcome: Outcome) -> Result<Vec<String>, Failure> {
    match outcome {
        Outcome::Answered(answer) => {
            let values = reply::decode(&answer)?.into_iter().map(String::from_utf8);
            Ok(values.filter_map(Result::ok).collect())
        }
        Outcome::Silent | Outcome::NotAsked => {
            let text = format!("audit {mountpoint:?}: no answer in time; give it more with --timeout");
            Err(Error::new(ErrorKind::Temporary, text).into())
        }
        Outcome::Failed => {
            Err(Error::new(ErrorKind::Io, format!("audit {mountpoint:?}: the process that looked died"))
                .into())
        }
    }
}

/// What is looked at, by the process that looks.
fn values(underneath: &Underneath, user: &MailUser) -> reply::Values {
    let immutable = underneath.immutable.map_or("", |immutable| if immutable { "yes" } else { "no" });
    let uid = Uid::from_raw(underneath.uid);
    let values = [
        format!("{}:{}", name_of_user(uid), name_of_group(Gid::from_raw(underneath.gid))),
        format!("{:04o}", underneath.mode),
        immutable.to_owned(),
        underneath.files.to_string(),
        underneath.bytes.to_string(),
        name_of_user(user.uid()),
        if underneath.writable { "yes" } else { "no" }.to_owned(),
    ];
    values.into_iter().map(String::into_bytes).collect()
}

fn row(mountpoint: &Path, values: Vec<String>) -> Vec<Cell> {
    let mut row = vec![Cell::Pattern { path: mountpoint.as_os_str().as_bytes().to_vec(), wildcard: false }];
    row.extend(values.into_iter().zip(&COLUMNS[1..]).map(|(value, column)| cell(column, value)));
    row
}

fn cell(column: &str, value: String) -> Cell {
    let flag = value == "yes";
    match column {
        "immutable" if value.is_empty() => Cell::Empty,
        "immutable" => Cell::Flag(flag, if flag { Tone::Good } else { Tone::Plain }),
        "writable" => Cell::Flag(flag, if flag { Tone::Bad } else { Tone::Good }),
        "files" | "bytes" => value.parse().map_or(Cell::Empty, Cell::Number),
        _ => Cell::Text(value),
    }
}

fn name_of_user(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

fn name_of_group(gid: Gid) -> String {
    Group::from_gid(gid).ok().flatten().map_or_else(|| gid.to_string(), |group| group.name)
}
