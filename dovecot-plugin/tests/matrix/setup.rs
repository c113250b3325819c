//! What a store is like: its format, and what else is other than usual.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fixtures::dovecot::Format;

use crate::plan::Away;

/// What is other than usual about a store or the directories under its filesystems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Nothing: the bare directories are empty, and writable for mail users.
    Usual,
    /// `LAYOUT=index`: names and directories of mailboxes are kept in an index.
    IndexLayout,
    /// `mailbox_list_index = no`.
    NoListIndex,
    /// A plausible store lies in the bare directory: that of a user who has just come.
    Shadow,
    /// The bare directory is sealed, as `mountguard audit --fix` does.
    Sealed,
}

/// A store that the matrix is run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) format: Format,
    pub(crate) variant: Variant,
}

impl Setup {
    pub(crate) const fn usual(format: Format) -> Setup {
        Setup { format, variant: Variant::Usual }
    }

    /// How it is called in messages, in results, and by `MOUNTGUARD_MATRIX`.
    pub(crate) fn name(self) -> String {
        self.format.name().to_owned() + self.variant.suffix()
    }
}

impl Variant {
    fn suffix(self) -> &'static str {
        match self {
            Variant::Usual => "",
            Variant::IndexLayout => "-index-layout",
            Variant::NoListIndex => "-no-list-index",
            Variant::Shadow => "-shadow",
            Variant::Sealed => "-sealed",
        }
    }

    /// A sentence for the reader of the results.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Variant::Usual => "",
            Variant::IndexLayout => "With `LAYOUT=index`.\n\n",
            Variant::NoListIndex => "With `mailbox_list_index = no`.\n\n",
            Variant::Shadow => "In the bare directory lies the store of a user who has just come.\n\n",
            Variant::Sealed => "The bare directory is sealed: root's, and nobody can write there.\n\n",
        }
    }

    /// What it adds to the user's mail location.
    pub(crate) fn location(self) -> &'static str {
        if self == Variant::IndexLayout { ":LAYOUT=index" } else { "" }
    }

    /// What it adds to Dovecot's settings.
    pub(crate) fn settings(self) -> &'static str {
        if self == Variant::NoListIndex { "mailbox_list_index = no\n" } else { "" }
    }

    /// The filesystems that matter to it; `None` is all.
    pub(crate) fn roles(self) -> Option<&'static [Away]> {
        (self != Variant::Usual).then_some(&[Away::Mail, Away::Index, Away::Alt])
    }

    /// The actions that matter to it; `None` is all.
    pub(crate) fn actions(self) -> Option<&'static [&'static str]> {
        (self != Variant::Usual).then_some(&[
            "LIST",
            "STATUS",
            "SELECT",
            "FETCH",
            "EXPUNGE",
            "APPEND",
            "COPY",
            "CREATE",
            "DELETE",
            "RENAME",
            "SUBSCRIBE",
            "LMTP",
            "force-resync",
            "sync",
        ])
    }

    /// Makes a bare directory what it is.
    pub(crate) fn prepare(self, bare: &Path) {
        let mode = if self == Variant::Sealed { 0o555 } else { 0o777 };
        fs::set_permissions(bare, Permissions::from_mode(mode)).expect("chmod");
    }
}
