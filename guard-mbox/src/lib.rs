//! Guards an mbox store, and creates mboxes where they belong.
//!
//! An mbox store is often spread: the INBOX in a spool directory (`INBOX=/var/mail/bob`), folders in the home,
//! indexes elsewhere. Where one of them isn't mounted, mail is delivered *underneath*, and clients see an empty
//! INBOX; the others needn't suffer.
//!
//! An [`MboxLayout`] says where the store's files and directories are, an [`MboxGuard`] holds them against the
//! registered mountpoints, and [`roles_for`] says which of them an operation cannot do without.
//! [`MboxLayout::narrowed_to`] is for work on one mailbox:
//!
//! | operation | on the INBOX needs | on another folder | on any or all |
//! |---|---|---|---|
//! | `open`, `rebuild`, `delete`, `read-alt` | inbox, index, control | mail, index, control | mail, inbox, index, control |
//! | `deliver` | the same, home | the same, home | the same, home |
//! | `create` | the same as `open`, mail | as `open` | as `open` |
//! | `sync` | mail, inbox, index, control, home | the same | the same |
//!
//! So an INBOX elsewhere goes on without the mail root, provided that its index isn't in there: without `INDEX=`
//! it is. Creating the INBOX is the exception, since Dovecot notes the UIDVALIDITY it gave in the mail root, and
//! so is replication, which looks at all mailboxes. Locks lie beside the files they lock, so they have no role.
//! There is no alternate storage: `read-alt` is `open`.
//!
//! A role without a directory asks for nothing: with `INDEX=MEMORY` there is no `index`, without `CONTROL=` no
//! `control`, and `home`, for stores whose deliveries read scripts there, is given by [`MboxLayout::with`].
//!
//! ```
//! use guard_mbox::{MboxGuard, MboxLayout, create_mbox};
//! use mount_core::{Attributes, Directories, Mounts, WhenMissing};
//!
//! # let directory = tempfile::tempdir()?;
//! # let home = directory.path().canonicalize()?;
//! # let directories = Directories { state: home.join("lib"), run: home.join("run") };
//! // let directories = Directories::from_env();
//! let mounts = Mounts::open(&directories, WhenMissing::NothingRegistered)?;
//! let guard = MboxGuard::new(&mounts, MboxLayout::from_mail_location("mbox:~/mail", Some(&home))?);
//!
//! // Refused: the closure never runs, and nothing is created underneath. `?` for the refusal, `?` for the rest.
//! let (file, directory) = (Attributes::mode(0o600), Attributes::mode(0o700));
//! guard.create(|permit| create_mbox(permit, &home.join("mail/inbox"), &file, Some(&directory)))??;
//! assert!(home.join("mail/inbox").is_file());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod create;
mod layout;
mod policy;

pub use create::create_mbox;
pub use layout::MboxLayout;
pub use policy::{Scope, roles_for};

/// Guards one mbox store, or a mailbox of it.
pub type MboxGuard<'m> = mount_core::StoreGuard<'m, MboxLayout>;
