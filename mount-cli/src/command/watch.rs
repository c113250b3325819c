//! `mountguard watch`

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use mount_core::watch::{Change, Rhythm, Transition, Watch};
use mount_core::{Error, ErrorKind};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::arguments::{View, Watch as Request};
use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::hook::{Environment, Hook};
use crate::output::{Cell, Rows, Tone, moment};
use crate::session::Session;

const COLUMNS: &[&str] = &["time", "path", "change", "state", "filesystem", "source", "why"];

/// What ends the watch in order.
const ENDING: [Signal; 3] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM];

pub(crate) fn run(session: &Session<'_>, request: &Request, console: &mut Console) -> Result<u8, Failure> {
    if session.settings.view != View::Own {
        let text = "watch sees the mounts of its own namespace; to watch those of another process, start it there: \
                    nsenter --mount --target PID mountguard watch";
        return Err(Failure::Usage(text.to_owned()));
    }
    session.registry(console)?;
    let signals = signals()?;
    let rhythm = Rhythm { interval: request.interval, deadline: session.settings.timeout };
    let mut watch = Watch::open(&session.settings.directories, rhythm)?;
    let followed = follow(session, &mut watch, &signals, Hook::new(request.hook.as_deref()), console);
    let closed = watch.close();
    followed?;
    closed?;
    Ok(exit::OK)
}

fn follow(
    session: &Session<'_>,
    watch: &mut Watch,
    signals: &SignalFd,
    mut hook: Hook<'_>,
    console: &mut Console,
) -> Result<(), Failure> {
    let mut told = None;
    loop {
        let found = watch.step();
        for transition in &found.transitions {
            console.stream(&row(transition), session.settings.format)?;
            hook.tell(environment(transition));
        }
        // Once, as long as it is the same. Only a look says that it is over: other steps try nothing.
        let error = found.errors.first().map(Error::chain);
        if let Some(error) = error.as_ref().filter(|error| told.as_ref() != Some(*error)) {
            console.say(format_args!("{error}; tried again in time"));
        }
        if error.is_some() || found.looked {
            told = error;
        }
        hook.advance(console);
        watch.wait(&[signals.as_fd()]);
        while let Some(received) =
            signals.read_signal().map_err(|errno| failed("read signals", errno.into()))?
        {
            if received.ssi_signo != Signal::SIGCHLD as u32 {
                return Ok(());
            }
            hook.reap(console);
        }
    }
}

/// Blocked and read one by one, since a signal handler would be `unsafe`. A command is started with none blocked.
fn signals() -> Result<SignalFd, Failure> {
    let mut watched: SigSet = ENDING.into_iter().collect();
    watched.add(Signal::SIGCHLD);
    watched.thread_block().map_err(|errno| failed("block signals", errno.into()))?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    SignalFd::with_flags(&watched, flags).map_err(|errno| failed("signalfd", errno.into()))
}

fn row(transition: &Transition) -> Rows {
    let filesystem = transition.filesystem.as_ref();
    let mut rows = Rows::new(COLUMNS);
    rows.push(vec![
        Cell::Text(moment(transition.at)),
        Cell::pattern(&transition.pattern),
        Cell::Word(transition.change.as_str(), tone(&transition.change)),
        super::state::cell(transition.state),
        filesystem.map_or(Cell::Empty, |found| Cell::Bytes(found.fs_type.clone())),
        filesystem.map_or(Cell::Empty, |found| Cell::Bytes(found.source.clone())),
        Cell::text(transition.change.reason().map(str::to_owned)),
    ]);
    rows
}

fn tone(change: &Change) -> Tone {
    match change {
        Change::Mounted | Change::ReadWrite | Change::Answers => Tone::Good,
        Change::Gone
        | Change::Replaced(_)
        | Change::ReadOnly
        | Change::Unknown(_)
        | Change::Stuck
        | Change::Failing(_) => Tone::Bad,
        Change::Registered | Change::Removed | Change::State | Change::Idle => Tone::Plain,
    }
}

/// Bytes as they are: whoever quotes the variable gets the path.
fn environment(transition: &Transition) -> Environment {
    let bytes = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let filesystem = transition.filesystem.as_ref();
    let mut path = bytes(transition.pattern.as_bytes());
    if transition.pattern.is_wildcard() {
        path.push("/*");
    }
    vec![
        ("MOUNTGUARD_TIME", OsString::from(moment(transition.at))),
        ("MOUNTGUARD_PATH", path),
        ("MOUNTGUARD_CHANGE", transition.change.as_str().into()),
        ("MOUNTGUARD_STATE", transition.state.as_str().into()),
        ("MOUNTGUARD_FILESYSTEM", filesystem.map(|found| bytes(&found.fs_type)).unwrap_or_default()),
        ("MOUNTGUARD_SOURCE", filesystem.map(|found| bytes(&found.source)).unwrap_or_default()),
        ("MOUNTGUARD_WHY", transition.change.reason().unwrap_or_default().into()),
    ]
}

fn failed(what: &str, cause: io::Error) -> Failure {
    Failure::Error(Error::new(ErrorKind::Io, format!("{what}: {cause}")))
}
