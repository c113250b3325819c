//! Placeholder.
mod error;
mod operation;
mod presence;
mod state;
pub use error::{Error, ErrorKind};
pub use operation::{Operation, Role};
pub use presence::Presence;
pub use state::State;
