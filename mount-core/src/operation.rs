//! What a caller is about to do, and what a directory is for.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// Defines a fieldless enum whose variants have exactly one spelling on the command line, in the
/// registry file and in messages.
macro_rules! named_enum {
    ($(#[$meta:meta])* $name:ident, $what:literal, { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The one spelling of this value.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// # Errors
            /// [`ErrorKind::Usage`] for any other word; the text lists the words there are.
            fn from_str(word: &str) -> Result<Self, Error> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word).ok_or_else(|| {
                    let known: Vec<&str> = Self::ALL.iter().map(|value| value.as_str()).collect();
                    Error::new(ErrorKind::Usage, format!("{} {word:?} does not exist; there are: {}", $what, known.join(", ")))
                })
            }
        }
    };
}
pub(crate) use named_enum;

named_enum! {
    /// What is about to be done to a mail store.
    Operation, "operation", {
        /// Open a mailbox or read mail in it.
        Open = "open",
        /// Create a mailbox, a directory or a file.
        Create = "create",
        /// Deliver new mail.
        Deliver = "deliver",
        /// Read mails that lie in dbox alternate storage.
        ReadAlt = "read-alt",
        /// Rebuild indexes from what is found in the mail directories.
        Rebuild = "rebuild",
        /// Delete, expunge, purge or rename.
        Delete = "delete",
        /// Replicate in either direction.
        Sync = "sync",
    }
}

impl Operation {
    /// Whether the operation changes the store, so that a read-only filesystem refuses it.
    #[must_use]
    pub fn writes(self) -> bool {
        !matches!(self, Operation::Open | Operation::ReadAlt)
    }
}

named_enum! {
    /// What a directory of a mail store is for.
    Role, "role", {
        /// The mails themselves.
        Mail = "mail",
        /// Dovecot's index files.
        Index = "index",
        /// Files that clients depend on: uidlists, subscriptions.
        Control = "control",
        /// dbox alternate storage.
        Alt = "alt",
        /// An INBOX outside of the mail directory.
        Inbox = "inbox",
        /// Attachments stored once for all mails.
        Attachments = "attachments",
        /// The user's home: sieve scripts, and what relative paths start from.
        Home = "home",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_parses_to_the_value_that_prints_it() {
        for operation in Operation::ALL {
            assert_eq!(operation.as_str().parse::<Operation>().ok(), Some(*operation));
        }
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>().ok(), Some(*role));
        }
    }

    #[test]
    fn unknown_word_lists_the_known_ones() {
        let error = "purge".parse::<Operation>().expect_err("purge is not an operation");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("read-alt"), "{error}");
    }
}
