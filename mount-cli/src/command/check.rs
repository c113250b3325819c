//! `mountguard check`

use std::path::PathBuf;

use mount_core::Operation;

use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::session::Session;

/// All paths are judged, so that one run tells everything that is in the way.
///
/// Lines of the registry that cannot be read are for administrators, who learn of them from `state`: to look for
/// them here would be a second reading, and this runs once a delivery.
pub(crate) fn run(
    session: &Session<'_>,
    operation: Operation,
    paths: &[PathBuf],
    console: &mut Console,
) -> Result<u8, Failure> {
    session.judging(console, |mounts, console| {
        let refusals = paths.iter().filter_map(|path| mounts.verdict(operation, path).err());
        let codes = refusals.map(|refusal| console.report(&Failure::Refused(refusal)));
        // What is refused for now goes before what can never be judged: trying again is worth it.
        Ok(codes.max().unwrap_or(exit::OK))
    })
}
