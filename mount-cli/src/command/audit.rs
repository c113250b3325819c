//! `mountguard audit`

mod delivery;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mount_core::audit::{
    MailKind, MailUser, Rescued, Seal, StrayMail, Underneath, look_underneath, rescue, seal,
};
use mount_core::registry::Document;
use mount_core::{Error, ErrorKind, Mounts, Operation, State};
use nix::unistd::{Gid, Group, Uid, User};

use crate::arguments::Audit;
use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::output::{Cell, Rows, Tone};
use crate::pool::{Outcome, Pool};
use crate::registered::{Subject, covering};
use crate::reply;
use crate::session::{Session, unusable};

const COLUMNS: &[&str] =
    &["path", "owner", "mode", "immutable", "files", "bytes", "unread", "mail", "user", "writable"];

const RESCUED: &[&str] = &["path", "kind", "files", "rescued", "deliver"];

pub(crate) fn run(session: &Session<'_>, request: &Audit, console: &mut Console) -> Result<u8, Failure> {
    session.needs_live_mounts("audit")?;
    let document = session.registry(console)?;
    let user = request.user.as_deref().map(mail_user).transpose()?;
    let (code, rows) = session.judging(console, |mounts, console| {
        let mountpoints = select(&document, mounts, &request.paths)?;
        let audit = |console: &mut Console| look(session, &mountpoints, user.as_ref(), console);
        let mut looks = audit(console)?;
        if let Some(directory) = &request.rescue {
            mounts.verdict(Operation::Create, directory)?;
            return Ok((looks.code, rescue_all(&looks, directory, console)?));
        }
        if request.fix && fix(session, &looks, request.yes, console)? {
            looks = audit(console)?;
        }
        Ok((looks.code, looks.rows()))
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
        let decisive =
            document.entries().filter(|entry| entry.state != State::Ignore).map(|entry| Subject::of(&entry));
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

/// What lies underneath.
struct Looks {
    found: Vec<Look>,
    /// That of the worst failure.
    code: u8,
}

struct Look {
    mountpoint: PathBuf,
    row: Vec<Cell>,
    seal: Option<Seal>,
}

impl Looks {
    fn rows(self) -> Rows {
        let mut rows = Rows::new(COLUMNS);
        for look in self.found {
            rows.push(look.row);
        }
        rows
    }
}

/// Looks underneath all of them at once; the results are in the same order.
fn look(
    session: &Session<'_>,
    mountpoints: &[PathBuf],
    user: Option<&MailUser>,
    console: &mut Console,
) -> Result<Looks, Failure> {
    let mut pool = Pool::new(Instant::now() + session.settings.timeout);
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
    let mut looks = Looks { found: Vec::new(), code: exit::OK };
    for (at, outcome) in outcomes {
        match answer(&mountpoints[at], outcome) {
            Ok(look) => looks.found.push(look),
            Err(failure) => looks.code = looks.code.max(console.report(&failure)),
        }
    }
    Ok(looks)
}

fn answer(mountpoint: &Path, outcome: Outcome) -> Result<Look, Failure> {
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
    let seal = values.last().and_then(|value| seal_of(&String::from_utf8_lossy(value)));
    Ok(Look { mountpoint: mountpoint.to_path_buf(), row, seal })
}

/// Seals what is not sealed, after it has said how and somebody agreed; whether anything was done.
fn fix(session: &Session<'_>, looks: &Looks, agreed: bool, console: &mut Console) -> Result<bool, Failure> {
    let open: Vec<_> = looks.found.iter().filter_map(|look| Some((&look.mountpoint, look.seal?))).collect();
    if open.is_empty() {
        console.say(format_args!("nothing to do: all bare directories are sealed"));
        return Ok(false);
    }
    for (mountpoint, seal) in &open {
        console.say(format_args!("underneath {mountpoint:?}: {}", described(*seal)));
    }
    match agreed.then_some(true).or_else(|| console.confirm("Do this?")) {
        Some(true) => {}
        Some(false) => return Ok(false),
        None => return Err(Failure::Usage("nothing was changed: agree with --yes".to_owned())),
    }
    for (mountpoint, wanted) in open {
        reply::ask(session.settings.timeout, &format!("seal {mountpoint:?}"), || {
            seal(mountpoint, wanted)?;
            Ok(Vec::new())
        })?;
    }
    Ok(true)
}

fn described(seal: Seal) -> String {
    let mut steps = Vec::new();
    if seal.own {
        steps.push("chown root:root".to_owned());
    }
    if let Some(mode) = seal.mode {
        steps.push(format!("chmod {mode:04o}"));
    }
    if seal.immutable {
        steps.push("chattr +i".to_owned());
    }
    steps.join(", ")
}

/// Moves stray mail out. Not bounded by the time-out: how long it takes depends on how much there is.
fn rescue_all(looks: &Looks, directory: &Path, console: &mut Console) -> Result<Rows, Failure> {
    if !directory.is_dir() {
        return Err(unusable(format!("{directory:?} is not a directory; create it, for root alone")));
    }
    let mut rows = Rows::new(RESCUED);
    for look in &looks.found {
        let rescued = rescue(&look.mountpoint, directory)?;
        if rescued.left > 0 {
            let left = rescued.left;
            console.say(format_args!("underneath {:?}: {left} files are no mail, and stay", look.mountpoint));
        }
        add_rows(&mut rows, &look.mountpoint, &rescued);
    }
    Ok(rows)
}

fn add_rows(rows: &mut Rows, mountpoint: &Path, rescued: &Rescued) {
    let path = |path: &Path| Cell::Pattern { path: path.as_os_str().as_bytes().to_vec(), wildcard: false };
    for store in &rescued.stores {
        let was = if store.was.as_os_str().is_empty() {
            mountpoint.to_path_buf()
        } else {
            mountpoint.join(&store.was)
        };
        let kind = match store.kind {
            MailKind::Maildir => "maildir",
            MailKind::Sdbox => "sdbox",
            MailKind::Mdbox => "mdbox",
            MailKind::Mbox => "mbox",
        };
        rows.push(vec![
            path(&was),
            Cell::Word(kind, Tone::Plain),
            Cell::Number(store.mails),
            path(&store.path),
            Cell::Text(delivery::command(store, kind)),
        ]);
    }
}

/// What is looked at, in the order of [`KINDS`], by the process that looks; last, how it is sealed.
fn values(underneath: &Underneath, user: &MailUser) -> reply::Values {
    let owner = (Uid::from_raw(underneath.uid), Gid::from_raw(underneath.gid));
    let values = [
        format!("{}:{}", name_of_user(owner.0), name_of_group(owner.1)),
        format!("{:04o}", underneath.mode),
        underneath.immutable.map_or_else(String::new, |immutable| immutable.to_string()),
        underneath.files.to_string(),
        underneath.bytes.to_string(),
        underneath.unread.to_string(),
        shown(underneath.mail),
        name_of_user(user.uid()),
        underneath.writable.to_string(),
        Seal::of(underneath).map_or_else(String::new, |seal| {
            let mode = seal.mode.map_or_else(String::new, |mode| mode.to_string());
            format!("{} {mode} {}", seal.own, seal.immutable)
        }),
    ];
    values.into_iter().map(String::into_bytes).collect()
}

/// How each value is shown.
const KINDS: [fn(&str) -> Cell; 9] = [
    text,
    text,
    |immutable| flag(immutable, Tone::Good, Tone::Plain),
    number,
    number,
    number,
    text,
    text,
    |writable| flag(writable, Tone::Bad, Tone::Good),
];

fn seal_of(value: &str) -> Option<Seal> {
    let mut fields = value.split(' ');
    let own = fields.next()?.parse().ok()?;
    let mode = fields.next()?.parse().ok();
    Some(Seal { own, mode, immutable: fields.next()?.parse().ok()? })
}

fn shown(mail: StrayMail) -> String {
    let kinds = [(mail.maildir, "maildir"), (mail.dbox, "dbox"), (mail.mbox, "mbox")];
    let found =
        kinds.iter().filter(|(number, _)| *number > 0).map(|(number, kind)| format!("{number} {kind}"));
    found.collect::<Vec<_>>().join(", ")
}

fn text(value: &str) -> Cell {
    if value.is_empty() { Cell::Empty } else { Cell::Text(value.to_owned()) }
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
