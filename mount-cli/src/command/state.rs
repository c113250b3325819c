//! `mountguard state`

use std::path::Path;

use mount_core::registry::{Document, Entry};
use mount_core::{Error, ErrorKind, State};

use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::output::{Cell, Rows, Tone};
use crate::registered::pattern_of;
use crate::session::Session;

pub(crate) fn run(
    session: &Session<'_>,
    path: Option<&Path>,
    state: Option<State>,
    all: bool,
    console: &mut Console,
) -> Result<u8, Failure> {
    let document = session.registry(console)?;
    let Some(path) = path else {
        let shown = document.entries().filter(|entry| all || entry.state != State::Ignore);
        return show(session, shown, console);
    };
    let pattern = pattern_of(session, &document, path, console)?;
    match state {
        Some(state) => {
            session.store.update(|document| document.set_state(&pattern, state)).map_err(not_registered)?;
            Ok(exit::OK)
        }
        None => show(session, one(&document, &pattern)?, console),
    }
}

fn one<'a>(
    document: &'a Document,
    pattern: &mount_core::registry::Pattern<'_>,
) -> Result<Option<Entry<'a>>, Failure> {
    let missing = || Error::new(ErrorKind::NotRegistered, format!("{pattern} is not registered"));
    document.get(pattern).map(Some).ok_or_else(|| not_registered(missing()).into())
}

fn show<'a>(
    session: &Session<'_>,
    entries: impl IntoIterator<Item = Entry<'a>>,
    console: &mut Console,
) -> Result<u8, Failure> {
    let mut rows = Rows::new(&["path", "state"]);
    for entry in entries {
        rows.push(vec![Cell::pattern(&entry.pattern), cell(entry.state)]);
    }
    console.show(&rows, session.settings.format)?;
    Ok(exit::OK)
}

/// A state, in the colour of what it leads to.
pub(super) fn cell(state: State) -> Cell {
    let tone = match state {
        State::Online => Tone::Good,
        State::Offline | State::Failover => Tone::Bad,
        State::Ignore => Tone::Plain,
    };
    Cell::Word(state.as_str(), tone)
}

/// Adds the remedy where a mountpoint is not known.
pub(super) fn not_registered(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotRegistered => Error::new(
            ErrorKind::NotRegistered,
            format!("{error}; see what is: mountguard state --all, or register it: mountguard add"),
        ),
        _ => error,
    }
}
