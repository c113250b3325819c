//! Guards a Maildir store, and creates Maildirs where they belong.
//!
//! A Maildir that isn't mounted looks like a new user's: Dovecot creates an empty one, clients delete their copies,
//! and new mail goes *underneath* the mountpoint. Without its control directory (`CONTROL=`), where the
//! `dovecot-uidlist` is, every mail gets another UID and is downloaded again.
//!
//! A [`MaildirLayout`] says where the store's directories are, a [`MaildirGuard`] holds them against the
//! registered mountpoints, and [`roles_for`] says which of them an operation cannot do without:
//!
//! | operation | needs |
//! |---|---|
//! | `open`, `create`, `rebuild`, `delete`, `read-alt` | mail, inbox, index, control |
//! | `deliver` | the same and home: a script that isn't found must not become "keep" |
//! | `sync` | the same and home: the other side would delete what is missing, scripts too |
//!
//! [`MaildirLayout::narrowed_to`] is for work on one mailbox: any but the INBOX goes on without an `INBOX=`
//! elsewhere (not in replication, which looks at all), and its own directory must be there. There is no alternate
//! storage: `read-alt` is `open`.
//!
//! A role without a directory asks for nothing: with `INDEX=MEMORY` there is no `index`, and `home`, for stores
//! whose deliveries read scripts there, is given by [`MaildirLayout::with`].
//!
//! ```
//! use guard_maildir::{MaildirGuard, MaildirLayout, create_maildir};
//! use mount_core::{Attributes, Directories, Mounts, WhenMissing};
//!
//! # let directory = tempfile::tempdir()?;
//! # let home = directory.path().canonicalize()?;
//! # let directories = Directories { state: home.join("lib"), run: home.join("run") };
//! // let directories = Directories::from_env();
//! let mounts = Mounts::open(&directories, WhenMissing::NothingRegistered)?;
//! let layout = MaildirLayout::from_mail_location("maildir:~/Maildir", Some(&home))?;
//! let guard = MaildirGuard::new(&mounts, layout);
//!
//! // Refused: the closure never runs, and nothing is created underneath. `?` for the refusal, `?` for the rest.
//! guard.create(|permit| create_maildir(permit, &home.join("Maildir"), &Attributes::mode(0o700), None))??;
//! assert!(home.join("Maildir/cur").is_dir());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod create;
mod layout;
mod policy;

pub use create::create_maildir;
pub use layout::{Folders, MaildirLayout};
pub use policy::roles_for;

/// Guards one Maildir store, or a mailbox of it.
pub type MaildirGuard<'m> = mount_core::StoreGuard<'m, MaildirLayout>;
