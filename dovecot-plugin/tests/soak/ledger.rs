//! What one client knows that must be there: what the server said is done, and has not been told to undo since.

use std::collections::{BTreeMap, BTreeSet};

/// A mail in the INBOX that belongs to this client alone.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    pub(crate) uid_validity: u32,
    pub(crate) uid: u32,
    pub(crate) flagged: bool,
}

/// A mailbox that belongs to this client alone.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// It has one of these names: two after a RENAME that was not answered by OK.
    pub(crate) names: Vec<String>,
    /// By `Message-ID`.
    pub(crate) mails: BTreeSet<String>,
    /// It may hold what is not known to be in it.
    pub(crate) left_alone: bool,
}

impl Folder {
    /// The name, unless it is to be left alone.
    pub(crate) fn name(&self) -> Option<&str> {
        match self.names.as_slice() {
            [name] if !self.left_alone => Some(name),
            _ => None,
        }
    }
}

/// What must be there.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// By `Message-ID`.
    pub(crate) inbox: BTreeMap<String, Own>,
    pub(crate) folders: Vec<Folder>,
    /// Mails that lie in some mailbox of the user.
    pub(crate) somewhere: BTreeSet<String>,
    /// Mails that were expunged: they are not to come back.
    pub(crate) gone: BTreeSet<String>,
    /// How many mails the server has accepted.
    pub(crate) accepted: usize,
}

impl Ledger {
    /// A mail was accepted. Without a UID from the server it is only known to be somewhere.
    pub(crate) fn accept(&mut self, id: String, uid: Option<(u32, u32)>) {
        self.accepted += 1;
        match uid {
            Some((uid_validity, uid)) => {
                self.inbox.insert(id, Own { uid_validity, uid, flagged: false });
            }
            None => drop(self.somewhere.insert(id)),
        }
    }
}
