//! What the administrator or the replication says of a mountpoint.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::operation::named_enum;

named_enum! {
    /// The state a registered mountpoint was given, as opposed to what is observed ([`crate::Presence`]).
    State, "state", {
        /// Ought to be mounted; permitted while it is.
        Online = "online",
        /// Refused, though it may be mounted.
        Offline = "offline",
        /// Refused here: the replica is to be used.
        Failover = "failover",
        /// Decides nothing: the next enclosing registered mountpoint does.
        Ignore = "ignore",
    }
}
