//! Dovecot's `mount_guard` plugin: C decides *when* to ask, Rust decides *whether* it may go on.
//!
//! The C files in `c/` hook into Dovecot and describe what it is about to do: a moment, the storage
//! format, and the directories it would use. This crate answers through the [`boundary`]. Which of
//! the directories a moment needs is the policy; whether their filesystems are there is asked of
//! `mount-core` in one place, and what was logged already is remembered so that an outage is one line
//! in the log and not one a mail.
//!
//! The crate is linked into the plugin as a static library (see the Makefile); nothing else uses it.

pub mod boundary;
mod guards;
mod judge;
mod permitted;
mod policy;
mod said;
mod settings;
mod told;
mod words;
