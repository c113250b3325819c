//! `mountguard create-maildir` and `mountguard create-mbox`

use std::path::Path;

use guard_maildir::create_maildir;
use guard_mbox::create_mbox;
use mount_core::{Attributes, Error, Operation, Permit};

use crate::arguments::Create;
use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::reply;
use crate::session::Session;

/// What creates one kind of mailbox.
type Creator = fn(&Permit, &Path, &Attributes, Option<&Attributes>) -> Result<(), Error>;

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

pub(crate) fn maildir(session: &Session<'_>, create: &Create, console: &mut Console) -> Result<u8, Failure> {
    let attributes = attributes(create, create.mode.unwrap_or(DIRECTORY_MODE));
    run(session, create, create_maildir, attributes, attributes, console)
}

pub(crate) fn mbox(session: &Session<'_>, create: &Create, console: &mut Console) -> Result<u8, Failure> {
    let file = attributes(create, create.mode.unwrap_or(FILE_MODE));
    run(session, create, create_mbox, file, attributes(create, DIRECTORY_MODE), console)
}

fn attributes(create: &Create, mode: u32) -> Attributes {
    Attributes { mode, owner: create.owner }
}

fn run(
    session: &Session<'_>,
    create: &Create,
    creator: Creator,
    attributes: Attributes,
    parents: Attributes,
    console: &mut Console,
) -> Result<u8, Failure> {
    session.needs_live_mounts("creating mailboxes")?;
    let path = create.path.as_path();
    // Where it is missing, it is created in the directory above.
    let paths: Vec<&Path> = path.ancestors().take(2).collect();
    let parents = create.parents.then_some(&parents);
    reply::ask(session.settings.timeout, &format!("create {path:?}"), || {
        let created = session.judging(console, |mounts, _| {
            mounts
                .guarded(Operation::Create, &paths, |permit| creator(permit, path, &attributes, parents))??;
            Ok(Vec::new())
        });
        created.map_err(Failure::deferring)
    })?;
    Ok(exit::OK)
}
