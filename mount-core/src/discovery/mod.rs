//! Which filesystems mail relies on, found from mail rather than from the mount table.
//!
//! Whoever starts from the table has to know what is not mail: containers, snaps, sticks, users' mounts. Started
//! from mail there is nothing to know: a filesystem at or above a place where mail lies concerns it, and below one
//! only those that the place's own pattern leads to.
//!
//! * [`Candidate`]s are places for mail, with who says so: Dovecot's [`Configuration`], the records of the user
//!   database ([`UserRecords`]), mail processes ([`Buttons`]), or somebody who names them.
//! * A [`Survey`] finds the mounts that candidates concern in one mount table.
//! * A [`Decision`] is what becomes of each [`Finding`], by what the registry says; [`register`] does it.
//! * [`Warning`]s are given once for as long as they hold; a [`Memory`] knows which were.
//!
//! Nothing here runs programs or walks paths.

mod candidate;
mod configuration;
mod exclusion;
mod expected;
mod memory;
mod plan;
mod reach;
mod survey;
mod usage;
mod users;

pub use candidate::{Candidate, Origin, as_written};
pub use configuration::Configuration;
pub use exclusion::Exclusion;
pub use expected::Expected;
pub use memory::{Changes, Memory};
pub use plan::{Decision, Warning, absent, register};
pub use reach::Reach;
pub use survey::{Finding, Sight, Survey};
pub use usage::{Buttons, Usage};
pub use users::UserRecords;
