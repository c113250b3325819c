//! Which mountpoints ought to be mounted, whether they are, and permits to work beneath them.

pub mod audit;
mod detect;
pub mod discovery;
mod error;
mod filesystem;
mod guard;
mod judge;
mod kernel;
mod location;
mod lookup;
mod mounts;
mod operation;
mod path;
mod permit;
mod presence;
pub mod probe;
mod refusal;
mod registered;
pub mod registry;
mod state;
mod sys;
pub mod table;
mod walk;

pub use detect::Method;
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
