//! Guards a dbox mail store: no rebuild, purge or delivery while a filesystem it needs is not mounted.
//!
//! dbox keeps mails apart from what is known of them. When mdbox or sdbox looks for a mail and its file isn't
//! there, Dovecot rebuilds the indexes from the files that are, and the mails of a filesystem that was merely not
//! mounted are gone from them for good: flags, UIDs and mailboxes are known nowhere else. *Alternate storage*
//! (`ALT=`) makes it likely: the one filesystem holds the old mails, the other all indexes.
//!
//! A [`DboxLayout`] says where the store's directories are, a [`DboxGuard`] holds them against the registered
//! mountpoints, and [`roles_for`] says which of them an operation cannot do without:
//!
//! | operation | needs | with only `alt` away |
//! |---|---|---|
//! | `open`, `create` | mail, inbox, index, control | goes on |
//! | `deliver` | the same, attachments, home | goes on: new mail is never alternate |
//! | [`roles_for_bodies`] | the same as `open`, attachments | goes on |
//! | `read-alt` | the same as `open`, alt, attachments | refused |
//! | `rebuild`, `delete` | the same as `open`, alt, attachments | refused: what isn't found is taken for deleted |
//! | `sync` | all of them | refused: the other side would delete it too |
//!
//! `delete` stands for deleting mailboxes, purge and altmove; for other changes [`roles_for_change`] knows better:
//!
//! | change | mdbox | sdbox |
//! |---|---|---|
//! | [`Change::NewMailbox`] | as `open` | and alt: mails of an old one may lie there |
//! | [`Change::Rename`] | as `open`: mailboxes are indexes only | and alt: the mails would stay behind |
//! | [`Change::AltMails`] | as `open`: a reference is counted | and alt: files are linked and removed |
//! | [`Change::PrimaryMails`] | as `open` | as `open` |
//!
//! A role without a directory asks for nothing: `home` and `attachments` are such until
//! [`DboxLayout::with`] gives them one, `inbox` and `alt` until the location does. `home` is for stores whose
//! deliveries read scripts there.
//!
//! ```
//! use guard_dbox::{DboxGuard, DboxLayout};
//! use mount_core::{Attributes, Directories, Mounts, Operation, WhenMissing};
//!
//! # let directory = tempfile::tempdir()?;
//! # let srv = directory.path().canonicalize()?;
//! # let directories = Directories { state: srv.join("lib"), run: srv.join("run") };
//! // let directories = Directories::from_env();
//! let mounts = Mounts::open(&directories, WhenMissing::NothingRegistered)?;
//! let location = format!("mdbox:{0}/mail/bob:INDEX={0}/index/bob:ALT={0}/alt/bob", srv.display());
//! let guard = DboxGuard::new(&mounts, DboxLayout::from_mail_location(location, None)?);
//!
//! // Refused: the closure never runs. The mounts stay pinned while it does, and are verified after it.
//! let rebuilt = guard.rebuild(|_permit| 3)?;
//! assert_eq!(rebuilt, 3);
//!
//! let permit = guard.authorize(Operation::Create)?; // Err(Refusal) says which mountpoint, and why
//! permit.create_dir_all(&srv.join("mail/bob/mailboxes/INBOX/dbox-Mails"), &Attributes::mode(0o700))?;
//! permit.verify()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod layout;
mod policy;

pub use layout::{DboxLayout, Format};
pub use policy::{Change, roles_for, roles_for_bodies, roles_for_change};

/// Guards one dbox store. For a [`Change`], ask for [`DboxLayout::paths_for_change`] by
/// [`authorize_paths`](mount_core::StoreGuard::authorize_paths).
pub type DboxGuard<'m> = mount_core::StoreGuard<'m, DboxLayout>;
