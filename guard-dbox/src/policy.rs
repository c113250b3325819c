//! Which directories which work needs: the one table of this crate.

use mount_core::{Operation, Role};

use crate::Format;

/// What everything needs that opens a mailbox. An index or control directory that is made anew gives
/// mailboxes another UIDVALIDITY, so opening needs them no less than the mails.
const PRIMARY: &[Role] = &[Role::Mail, Role::Inbox, Role::Index, Role::Control];

/// New mail goes to primary storage and its attachments outside; scripts in a home decide where to. A script
/// that is not found must not become "keep".
const DELIVERY: &[Role] =
    &[Role::Mail, Role::Inbox, Role::Index, Role::Control, Role::Attachments, Role::Home];

/// Attachments stored outside are a part of the body.
const BODIES: &[Role] = &[Role::Mail, Role::Inbox, Role::Index, Role::Control, Role::Attachments];

const WITH_ALT: &[Role] = &[Role::Mail, Role::Inbox, Role::Index, Role::Control, Role::Alt];

/// What is not found counts as deleted.
const WHOLE_STORE: &[Role] =
    &[Role::Mail, Role::Inbox, Role::Index, Role::Control, Role::Alt, Role::Attachments];

/// The other side takes what is missing here for deleted, scripts in the home included.
const REPLICATION: &[Role] =
    &[Role::Mail, Role::Inbox, Role::Index, Role::Control, Role::Alt, Role::Attachments, Role::Home];

/// A change of what is there, when more is known than [`Operation::Create`] and [`Operation::Delete`] say.
///
/// Deleting a mailbox, purge and altmove are [`Operation::Delete`] itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// A mailbox is created.
    NewMailbox,
    /// A mailbox is renamed.
    Rename,
    /// Mails that lie in primary storage are expunged, copied or moved.
    PrimaryMails,
    /// Mails that lie in alternate storage are expunged, copied or moved.
    AltMails,
}

/// The roles whose directories must be there for an operation. The same for mdbox and sdbox.
#[must_use]
pub fn roles_for(operation: Operation) -> &'static [Role] {
    match operation {
        Operation::Open | Operation::Create => PRIMARY,
        Operation::Deliver => DELIVERY,
        Operation::ReadAlt | Operation::Rebuild | Operation::Delete => WHOLE_STORE,
        Operation::Sync => REPLICATION,
    }
}

/// The roles whose directories must be there to read the bodies of mails in primary storage: more than to open their
/// mailbox, which is [`Operation::Open`]. Those of mails in alternate storage are [`Operation::ReadAlt`].
#[must_use]
pub fn roles_for_bodies() -> &'static [Role] {
    BODIES
}

/// The roles whose directories must be there for a change.
///
/// mdbox keeps mailboxes and references to mails in its indexes: alternate storage isn't touched before a
/// purge. sdbox has a directory a mailbox in alternate storage too: a rename without it leaves the mails
/// behind under the old name, a new mailbox would take over the mails that an old one left there, and a copy is a hard
/// link of a file that isn't there.
#[must_use]
pub fn roles_for_change(format: Format, change: Change) -> &'static [Role] {
    match (format, change) {
        (Format::Mdbox, _) | (Format::Sdbox, Change::PrimaryMails) => PRIMARY,
        (Format::Sdbox, Change::NewMailbox | Change::Rename | Change::AltMails) => WITH_ALT,
    }
}
