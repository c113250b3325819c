//! `mountguard remove`

use std::path::Path;

use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::registered::pattern_of;
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>, path: &Path, console: &mut Console) -> Result<u8, Failure> {
    let document = session.registry(console)?;
    let pattern = pattern_of(session, &document, path, console)?;
    session.store.update(|document| document.forget(&pattern)).map_err(super::state::not_registered)?;
    Ok(exit::OK)
}
