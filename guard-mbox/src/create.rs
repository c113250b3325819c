//! Autocreation of an mbox for delivery agents and provisioning hooks.

use std::path::Path;

use mount_core::{Attributes, Error, ErrorKind, Permit};

/// Creates an empty mbox file at `path` with `attributes`; mode 0600 is what mail clients expect.
///
/// A file that is there already stays as it is. Several that create the same at once all succeed. Until
/// owner and mode are set, nobody but the creator can open it.
///
/// Missing parents are created with `parents`; `None` says that they exist.
///
/// The permit must speak of the directory that `path` lies in, as that of
/// [`MboxGuard::create`](crate::MboxGuard::create) does for the INBOX.
///
/// # Errors
/// [`ErrorKind::Usage`] when the permit speaks of something else, or `path` has no parent;
/// [`ErrorKind::Data`] when `path` is a directory; [`ErrorKind::Io`] or [`ErrorKind::Permission`] when
/// something cannot be created or is missing above `path`.
pub fn create_mbox(
    permit: &Permit,
    path: &Path,
    attributes: &Attributes,
    parents: Option<&Attributes>,
) -> Result<(), Error> {
    if let (Some(parent), Some(parents)) = (path.parent(), parents) {
        permit.create_dir_all(parent, parents)?;
    }
    let created = permit.create_file(path, attributes)?.is_some();
    if !created && path.is_dir() {
        return Err(Error::new(ErrorKind::Data, format!("{path:?} is a directory, not an mbox")));
    }
    Ok(())
}
