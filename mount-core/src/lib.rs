//! Placeholder.
mod error;
mod location;
mod operation;
mod presence;
pub mod registry;
mod state;
pub use error::{Error, ErrorKind};
pub use location::{MailLocation, Roots};
pub use operation::{Operation, Role};
pub use presence::Presence;
pub use state::State;
