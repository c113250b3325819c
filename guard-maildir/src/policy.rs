//! Which directories which work needs: the one table of this crate.

use mount_core::{Operation, Role};

/// What everything needs. A control directory that is made anew has no uidlist, and every UID is given
/// anew; an index directory that is made anew loses keywords' order and modification sequences.
const STORE: &[Role] = &[Role::Mail, Role::Inbox, Role::Index, Role::Control];

/// Scripts in a home decide where mail goes: one that is not found must not become "keep", and must not be
/// replicated as deleted.
const STORE_AND_SCRIPTS: &[Role] = &[Role::Mail, Role::Inbox, Role::Index, Role::Control, Role::Home];

/// The roles whose directories must be there for an operation.
///
/// On one mailbox its own directory stands in for [`Role::Inbox`]: an `INBOX=` elsewhere that is away leaves the
/// other folders alone, but for replication, which looks at all of them.
#[must_use]
pub fn roles_for(operation: Operation) -> &'static [Role] {
    match operation {
        Operation::Open | Operation::Create | Operation::Rebuild | Operation::Delete => STORE,
        // Maildir has no alternate storage, so that this is reading like any other.
        Operation::ReadAlt => STORE,
        Operation::Deliver | Operation::Sync => STORE_AND_SCRIPTS,
    }
}
