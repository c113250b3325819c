//! The list of mountpoints that ought to be mounted, as it lies on disk.
//!
//! Two files carry it. The persistent one is the truth and survives a boot. The runtime one is made
//! from it, is what mail processes read, and adds what a prober observed. [`Store`] reads, writes and
//! reconciles both; [`Document`] is the list a writer changes; [`Snapshot`] and [`Lines`] are the
//! list a reader looks through without copying it.
//!
//! # Format
//! ```text
//! # mountguard 1 generation=12
//! online /srv/mail<TAB>fstype=ext4<TAB>mode=rw
//! ignore /mnt/*
//! forgotten /srv/old
//! ```
//! The first line is required. Each further line is a state, one space, and a path whose bytes
//! `\000`-`\040`, `\177`, `\\` and `*` are three-digit octal escapes, so that an unescaped `*` is
//! always the wildcard. TAB-separated `key=value` options may follow, their values escaped alike.
//! Empty lines and those that begin with `#` are remarks, and kept. Of two lines about one path the
//! later counts. A file without the first line is read as Dovecot 2.1-2.2's.

mod content;
mod directories;
mod document;
mod entry;
mod escape;
mod file;
mod finder;
mod format;
mod index;
mod legacy;
mod lock;
mod options;
mod pattern;
mod pieces;
mod record;
mod source;
mod store;
mod text;

pub use content::{Content, Damage, LineFlaw};
pub use directories::Directories;
pub use document::{Document, Inserted};
pub use entry::Entry;
pub use file::{SIZE_MAX, Snapshot, Stamp};
use finder::Finder;
pub(crate) use finder::{Listing, PASSES, Table};
pub use format::{Header, Line, Lines};
pub use options::{Mode, Options, Stuck};
pub use pattern::{PathFlaw, Pattern};
pub(crate) use source::Source;
pub use store::Store;
