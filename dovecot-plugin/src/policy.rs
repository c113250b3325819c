//! What Dovecot is about to do, in the words of the guard crates, which know the directories that it needs.

use guard_dbox::Change;
use guard_mbox::Scope;
use mount_core::{Operation, Role};

/// What Dovecot is about to do; `enum mount_guard_moment` in `c/guard.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Look,
    Read,
    ReadAlt,
    Save,
    Change,
    ExpungeAlt,
    Create,
    Subscribe,
    Delete,
    Rename,
    Rebuild,
    Sync,
    Scripts,
}

impl Moment {
    /// The moment behind C's number; numbers nobody defined are none.
    pub(crate) fn from_number(number: u32) -> Option<Moment> {
        Some(match number {
            1 => Moment::Look,
            2 => Moment::Read,
            3 => Moment::ReadAlt,
            4 => Moment::Save,
            5 => Moment::Change,
            6 => Moment::ExpungeAlt,
            7 => Moment::Create,
            8 => Moment::Subscribe,
            9 => Moment::Delete,
            10 => Moment::Rename,
            11 => Moment::Rebuild,
            12 => Moment::Sync,
            13 => Moment::Scripts,
            _ => return None,
        })
    }

    /// The operation that mount-core knows.
    pub(crate) fn operation(self) -> Operation {
        match self {
            Moment::Look | Moment::Read | Moment::Scripts => Operation::Open,
            Moment::ReadAlt => Operation::ReadAlt,
            Moment::Save => Operation::Deliver,
            Moment::Create | Moment::Subscribe => Operation::Create,
            Moment::Change | Moment::ExpungeAlt | Moment::Delete | Moment::Rename => Operation::Delete,
            Moment::Rebuild => Operation::Rebuild,
            Moment::Sync => Operation::Sync,
        }
    }
}

/// How mails are stored; `enum mount_guard_format` in `c/guard.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Other,
    Mdbox,
    Sdbox,
    Maildir,
    Mbox,
}

impl Format {
    /// The format behind C's number; numbers nobody defined are none.
    pub(crate) fn from_number(number: u32) -> Option<Format> {
        Some(match number {
            1 => Format::Other,
            2 => Format::Mdbox,
            3 => Format::Sdbox,
            4 => Format::Maildir,
            5 => Format::Mbox,
            _ => return None,
        })
    }
}

/// The role behind C's number; numbers nobody defined are none.
pub(crate) fn role_from_number(number: u32) -> Option<Role> {
    Some(match number {
        1 => Role::Mail,
        2 => Role::Index,
        3 => Role::Control,
        4 => Role::Alt,
        5 => Role::Inbox,
        6 => Role::Attachments,
        7 => Role::Home,
        _ => return None,
    })
}

/// What is about to be done to what kind of mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) moment: Moment,
    pub(crate) format: Format,
    /// The mailbox is an INBOX that has a place of its own.
    pub(crate) separate_inbox: bool,
}

impl Deed {
    /// Whether a directory of this role must be there for it: the guard crates know.
    ///
    /// One mailbox needs an INBOX with a place of its own only when it is that.
    pub(crate) fn needs(self, role: Role) -> bool {
        let beside = role == Role::Inbox && !self.separate_inbox && !self.is_of_whole_store();
        !beside && self.roles().contains(&role)
    }

    fn roles(self) -> &'static [Role] {
        // The home is no part of a store.
        if self.moment == Moment::Scripts {
            return &[Role::Home];
        }
        let operation = self.moment.operation();
        match self.format {
            Format::Sdbox => self.dbox(guard_dbox::Format::Sdbox),
            // When a list is made its format isn't known yet; dbox has directories of all roles.
            Format::Mdbox | Format::Other => self.dbox(guard_dbox::Format::Mdbox),
            Format::Maildir => guard_maildir::roles_for(operation),
            Format::Mbox => guard_mbox::roles_for(self.scope(), operation),
        }
    }

    fn dbox(self, format: guard_dbox::Format) -> &'static [Role] {
        let change = |change| guard_dbox::roles_for_change(format, change);
        match self.moment {
            Moment::Read => guard_dbox::roles_for_bodies(),
            Moment::Create => change(Change::NewMailbox),
            Moment::Rename => change(Change::Rename),
            Moment::Change => change(Change::PrimaryMails),
            Moment::ExpungeAlt => change(Change::AltMails),
            moment => guard_dbox::roles_for(moment.operation()),
        }
    }

    fn scope(self) -> Scope {
        match (self.is_of_whole_store(), self.separate_inbox) {
            (true, _) => Scope::Store,
            (false, true) => Scope::Inbox,
            (false, false) => Scope::Folder,
        }
    }

    fn is_of_whole_store(self) -> bool {
        matches!(self.moment, Moment::Rebuild | Moment::Sync)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(moment: Moment, format: Format, separate_inbox: bool) -> Vec<&'static str> {
        let deed = Deed { moment, format, separate_inbox };
        Role::ALL.iter().filter(|role| deed.needs(**role)).map(|role| role.as_str()).collect()
    }

    #[test]
    fn looking_needs_no_alternate_storage() {
        assert_eq!(needed(Moment::Look, Format::Mdbox, false), ["mail", "index", "control"]);
        assert_eq!(
            needed(Moment::Save, Format::Sdbox, false),
            ["mail", "index", "control", "attachments", "home"]
        );
    }

    #[test]
    fn subscribing_needs_no_alternate_storage() {
        assert_eq!(needed(Moment::Subscribe, Format::Sdbox, false), ["mail", "index", "control"]);
    }

    #[test]
    fn rename_needs_alternate_storage_for_sdbox_only() {
        assert!(!needed(Moment::Rename, Format::Mdbox, false).contains(&"alt"));
        assert!(needed(Moment::Rename, Format::Sdbox, false).contains(&"alt"));
    }

    #[test]
    fn rebuild_and_sync_need_all_places_of_mail() {
        let all = ["mail", "index", "control", "alt", "inbox", "attachments", "home"];
        for format in [Format::Mdbox, Format::Sdbox, Format::Other] {
            assert_eq!(needed(Moment::Rebuild, format, false), all[..6]);
            assert_eq!(needed(Moment::Sync, format, false), all);
        }
        for format in [Format::Maildir, Format::Mbox] {
            assert_eq!(needed(Moment::Rebuild, format, true), ["mail", "index", "control", "inbox"]);
            assert_eq!(needed(Moment::Sync, format, false), ["mail", "index", "control", "inbox", "home"]);
        }
    }

    #[test]
    fn mbox_inbox_of_its_own_needs_no_mail_directory() {
        assert_eq!(needed(Moment::Look, Format::Mbox, true), ["index", "control", "inbox"]);
        assert_eq!(needed(Moment::Look, Format::Mbox, false), ["mail", "index", "control"]);
    }

    #[test]
    fn scripts_need_the_home_only() {
        assert_eq!(needed(Moment::Scripts, Format::Maildir, false), ["home"]);
    }

    #[test]
    fn numbers_nobody_defined_are_nothing() {
        for number in [0, 14, u32::MAX] {
            assert_eq!(Moment::from_number(number), None);
            assert_eq!(Format::from_number(number), None);
            assert_eq!(role_from_number(number), None);
        }
    }
}
