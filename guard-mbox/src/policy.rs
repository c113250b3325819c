//! Which files and directories which work needs: the one table of this crate.

use mount_core::{Operation, Role};

/// How much of a store an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Any mailbox or all of them.
    Store,
    /// The INBOX.
    Inbox,
    /// A mailbox that is not the INBOX.
    Folder,
}

const STORE: &[Role] = &[Role::Mail, Role::Inbox, Role::Index, Role::Control];
const STORE_AND_SCRIPTS: &[Role] = &[Role::Mail, Role::Inbox, Role::Index, Role::Control, Role::Home];

/// Not the mail root, as long as the indexes aren't in there.
const INBOX: &[Role] = &[Role::Inbox, Role::Index, Role::Control];
const INBOX_AND_SCRIPTS: &[Role] = &[Role::Inbox, Role::Index, Role::Control, Role::Home];

const FOLDER: &[Role] = &[Role::Mail, Role::Index, Role::Control];
const FOLDER_AND_SCRIPTS: &[Role] = &[Role::Mail, Role::Index, Role::Control, Role::Home];

/// The roles whose files and directories must be there for an operation.
#[must_use]
pub fn roles_for(scope: Scope, operation: Operation) -> &'static [Role] {
    match (operation, scope) {
        // It looks at the list of all mailboxes, and at scripts: the other side takes what is missing here for
        // deleted.
        (Operation::Sync, _) => STORE_AND_SCRIPTS,
        // The script that isn't found must not become "keep".
        (Operation::Deliver, Scope::Store) => STORE_AND_SCRIPTS,
        (Operation::Deliver, Scope::Inbox) => INBOX_AND_SCRIPTS,
        (Operation::Deliver, Scope::Folder) => FOLDER_AND_SCRIPTS,
        // A new INBOX gets a UIDVALIDITY, and the last one given is noted in the mail root.
        (Operation::Create, Scope::Store | Scope::Inbox) => STORE,
        (Operation::Create, Scope::Folder) => FOLDER,
        // mbox has no alternate storage, so that reading there is reading like any other.
        (Operation::Open | Operation::ReadAlt | Operation::Rebuild | Operation::Delete, scope) => match scope
        {
            Scope::Store => STORE,
            Scope::Inbox => INBOX,
            Scope::Folder => FOLDER,
        },
    }
}
