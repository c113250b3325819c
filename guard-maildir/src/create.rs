//! Autocreation of a Maildir for delivery agents and provisioning hooks.

use std::fs;
use std::path::Path;

use mount_core::{Attributes, Error, ErrorKind, Permit};

/// `cur` is last: Dovecot and others take its existence for that of the Maildir.
const PARTS: [&str; 3] = ["tmp", "new", "cur"];

/// Creates the Maildir at `path`, with `cur`, `new` and `tmp` in it, all with `attributes`.
///
/// What is there already stays as it is; only what is missing of an incomplete Maildir is added. No
/// `dovecot-uidlist` is made: mails get their UIDs at the first delivery. Several that create the same at
/// once all succeed. Until owner and mode are set, nobody but the creator can enter.
///
/// Missing parents are created with `parents`; `None` says that they exist.
///
/// The permit must speak of the directory that `path` lies in, as that of
/// [`MaildirGuard::create`](crate::MaildirGuard::create) does for the mail root.
///
/// # Errors
/// [`ErrorKind::Usage`] when the permit speaks of something else, or `path` has no parent;
/// [`ErrorKind::Io`] or [`ErrorKind::Permission`] when a directory cannot be created, is missing above
/// `path`, or is something else than a directory.
pub fn create_maildir(
    permit: &Permit,
    path: &Path,
    attributes: &Attributes,
    parents: Option<&Attributes>,
) -> Result<(), Error> {
    let parent = path
        .parent()
        .ok_or_else(|| Error::new(ErrorKind::Usage, format!("{path:?} cannot be created as a Maildir")))?;
    match parents {
        Some(parents) => permit.create_dir_all(parent, parents)?,
        None => {
            fs::metadata(parent).map_err(|cause| Error::syscall("stat", parent, cause))?;
        }
    }
    PARTS.iter().try_for_each(|part| permit.create_dir_all(&path.join(part), attributes))
}
