//! `mountguard exec`

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use mount_core::Operation;

use crate::console::Console;
use crate::failure::Failure;
use crate::reply;
use crate::session::Session;
use crate::supervise;

pub(crate) fn run(
    session: &Session<'_>,
    operation: Operation,
    paths: &[PathBuf],
    program: &OsStr,
    arguments: &[OsString],
    console: &mut Console,
) -> Result<u8, Failure> {
    session.needs_live_mounts("exec")?;
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let patience = session.settings.timeout;
    let ran = session.judging(console, |mounts, console| {
        // Holding a mount root can take as long as the work would: tried out by somebody who may wait for good.
        reply::ask(patience, "authorize the command", || {
            mounts.authorize(operation, &paths)?;
            Ok(Vec::new())
        })?;
        let permit = mounts.authorize(operation, &paths)?;
        let code = supervise::run(program, arguments, console)?;
        reply::ask(patience, "verify the mounts after the command", || {
            permit.verify()?;
            Ok(Vec::new())
        })?;
        Ok(code)
    });
    ran.map_err(Failure::deferring)
}
