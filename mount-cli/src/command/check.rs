//! `mountguard check`

use std::path::PathBuf;

use mount_core::Operation;

use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::session::{Session, report_unreadable};

/// All paths are judged, so that one run tells everything that is in the way.
pub(crate) fn run(
    session: &Session<'_>,
    operation: Operation,
    paths: &[PathBuf],
    console: &mut Console,
) -> Result<u8, Failure> {
    if let Some(snapshot) = session.store.read_effective()? {
        report_unreadable(&snapshot, console);
    }
    session.judging(console, |mounts, console| {
        let refusals = paths.iter().filter_map(|path| mounts.verdict(operation, path).err());
        let codes = refusals.map(|refusal| Failure::Refused(refusal).report(console));
        // What is refused for now goes before what can never be judged: trying again is worth it.
        Ok(codes.max().unwrap_or(exit::OK))
    })
}
