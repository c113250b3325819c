//! Which mountpoints ought to be mounted, whether they are, and permits to work beneath them.
//!
//! A mail store is spread over filesystems. When one is not mounted, its bare mountpoint directory is still there,
//! and a mail server takes the emptiness for truth. This crate knows which directories ought to be mountpoints (the
//! [`registry`]), finds out whether they are ([`Presence`]), and turns both into an answer for any path: a
//! [`Refusal`] that says what stands in the way and what to do about it, or a [`Permit`].
//!
//! ```
//! use std::path::Path;
//!
//! use mount_core::registry::{Entry, Pattern, Store};
//! use mount_core::{Attributes, Directories, Mounts, Operation, State, WhenMissing};
//!
//! # let scratch = tempfile::tempdir()?;
//! # let srv = scratch.path().canonicalize()?;
//! # let directories = Directories { state: srv.join("lib"), run: srv.join("run") };
//! # for directory in [&directories.state, &directories.run, &srv.join("mail")] {
//! #     std::fs::create_dir(directory)?;
//! # }
//! // Registered once, by the administrator. Nothing is mounted there now.
//! // let directories = Directories::from_env();
//! let mail = srv.join("mail");
//! let pattern = Pattern::parse(&mail)?.into_owned();
//! Store::new(directories.clone()).update(|list| list.insert(Entry::new(pattern, State::Online)))?;
//!
//! // Asked by whoever is about to do something.
//! let mounts = Mounts::open(&directories, WhenMissing::Refuse)?;
//! let refusal = mounts.verdict(Operation::Deliver, &mail.join("bob")).expect_err("a bare directory");
//! assert_eq!(refusal.mountpoint(), Some(mail.as_path()));
//!
//! // What is covered by no registered mountpoint goes on as before. A permit holds the mounts it relies on, and
//! // what is created through it never lands underneath one.
//! let home = srv.join("home/bob");
//! let permit = mounts.authorize(Operation::Create, &[home.as_path()])?;
//! permit.create_dir_all(&home, &Attributes::mode(0o700))?;
//! permit.verify()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | is |
//! |---|---|
//! | [`registry`] | the list on disk: format, durable replacement, locks |
//! | [`table`] | the kernel's mount table, walked by parent ids |
//! | `walk`, `detect` | where a path leads, and whether it is the root of a mount; never waits for a filesystem |
//! | `root`, `chroot` | where absolute paths begin, and what leads out of a chroot |
//! | `lookup`, `judge` | which registered mountpoints a path relies on, and the rules |
//! | `permit` | mounts held open, and creation beneath them |
//! | [`MailLocation`], [`StoreGuard`] | what guards of mail stores have in common |
//! | [`audit`], [`probe`] | what lies underneath a mount, and questions that may hang asked by a disposable process |
//! | [`discovery`], [`watch`] | which filesystems mail relies on, and what becomes of them |
//!
//! All system calls are in `sys`, the only `unsafe` code.

pub mod audit;
mod bytes;
mod chroot;
mod detect;
pub mod discovery;
mod epoch;
mod error;
mod filesystem;
mod guard;
mod judge;
mod kernel;
mod location;
mod lock;
mod lookup;
mod memory;
mod mounts;
mod operation;
mod path;
mod permit;
mod presence;
pub mod probe;
mod refusal;
mod registered;
pub mod registry;
mod root;
mod state;
mod sys;
pub mod table;
mod walk;
pub mod watch;

pub use chroot::Outside;
pub use detect::Method;
pub use epoch::Epoch;
pub use error::{Error, ErrorKind};
pub use filesystem::{Filesystem, Identity};
pub use guard::{Layout, StoreGuard, with_parents};
pub use judge::{Examination, Resolved};
pub use location::{MailLocation, Roots};
pub use mounts::{Mounts, WhenMissing};
pub use operation::{Operation, Role};
pub use permit::{Attributes, Permit};
pub use presence::Presence;
pub use refusal::{Cause, Refusal};
pub use registry::Directories;
pub use state::State;
