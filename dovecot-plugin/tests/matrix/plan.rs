//! The whole matrix on one page: what is away, when, and what is done meanwhile.

use fixtures::dovecot::Format;

use crate::scene::Scene;
use crate::{commands, delivery, imap};

/// Which filesystem is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Away {
    /// None: what the matrix expects of a server is what a healthy one does.
    Nothing,
    Mail,
    Index,
    Control,
    Alt,
    Attachments,
    Inbox,
    Namespace,
    Home,
}

impl Away {
    /// The word for it, which is the name of its mountpoint as well.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Away::Nothing => "nothing",
            Away::Mail => "mail",
            Away::Index => "index",
            Away::Control => "control",
            Away::Alt => "alt",
            Away::Attachments => "attachments",
            Away::Inbox => "inbox",
            Away::Namespace => "namespace",
            Away::Home => "home",
        }
    }

    /// The filesystems that a store of this format has, after none of them.
    pub(crate) fn of(format: Format) -> &'static [Away] {
        use Away::{Alt, Attachments, Control, Home, Inbox, Index, Mail, Namespace, Nothing};
        match format {
            Format::Mdbox | Format::Sdbox => {
                &[Nothing, Mail, Index, Control, Alt, Attachments, Namespace, Home]
            }
            Format::Maildir | Format::MaildirFs => &[Nothing, Mail, Index, Control, Namespace, Home],
            Format::Mbox => &[Nothing, Mail, Index, Control, Inbox, Namespace, Home],
        }
    }
}

/// When it goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Before the client comes, who leaves before it is back.
    Before,
    /// In the middle of the client's session, which lasts until it is back.
    Mid,
    /// The same, and the client has read all mails before, so that their files may be open or their texts known.
    Reading,
}

impl When {
    pub(crate) const ALL: [When; 3] = [When::Before, When::Mid, When::Reading];

    /// Whether it makes a difference to the action: a client who looks on, or only delivers, doesn't read.
    pub(crate) fn concerns(self, action: &Action) -> bool {
        self != When::Reading || matches!(action.session, Session::Imap | Session::Pop3)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            When::Before => "before",
            When::Mid => "mid-session",
            When::Reading => "reading",
        }
    }
}

/// What kind of session is there when the filesystem goes away in the middle of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// An IMAP client that has selected the INBOX.
    Imap,
    /// The same, which looks on while others do something.
    Onlooker,
    /// A POP3 client that knows how many mails there are.
    Pop3,
    /// A mail server that has announced a mail, and is about to send it.
    Lmtp,
}

/// Something that is done while the filesystem is away.
pub(crate) struct Action {
    pub(crate) name: &'static str,
    pub(crate) session: Session,
    pub(crate) run: fn(&mut Scene<'_>),
}

const fn action(name: &'static str, session: Session, run: fn(&mut Scene<'_>)) -> Action {
    Action { name, session, run }
}

pub(crate) const ACTIONS: [Action; 27] = [
    action("LIST", Session::Imap, imap::list),
    action("STATUS", Session::Imap, imap::status),
    action("SELECT", Session::Imap, imap::select),
    action("FETCH", Session::Imap, imap::fetch),
    action("SEARCH BODY", Session::Imap, imap::search),
    action("STORE", Session::Imap, imap::store),
    action("EXPUNGE", Session::Imap, imap::expunge),
    action("APPEND", Session::Imap, imap::append),
    action("COPY", Session::Imap, imap::copy),
    action("MOVE", Session::Imap, imap::move_mails),
    action("CREATE", Session::Imap, imap::create),
    action("DELETE", Session::Imap, imap::delete),
    action("RENAME", Session::Imap, imap::rename),
    action("SUBSCRIBE", Session::Imap, imap::subscribe),
    action("IDLE", Session::Imap, imap::idle),
    action("LMTP", Session::Lmtp, delivery::lmtp),
    action("LMTP, filed", Session::Lmtp, delivery::lmtp_filed),
    action("LDA", Session::Onlooker, delivery::lda),
    action("LDA, filed", Session::Onlooker, delivery::lda_filed),
    action("POP3", Session::Pop3, delivery::pop3),
    action("force-resync", Session::Onlooker, commands::force_resync),
    action("purge", Session::Onlooker, commands::purge),
    action("altmove", Session::Onlooker, commands::altmove),
    action("index", Session::Onlooker, commands::index),
    action("backup to", Session::Onlooker, commands::backup_to),
    action("backup from", Session::Onlooker, commands::backup_from),
    action("sync", Session::Onlooker, commands::sync),
];

/// Where something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// The INBOX; its mails in primary storage where there is another.
    Inbox,
    /// The INBOX's mails in alternate storage.
    Alt,
    /// A folder beside the INBOX.
    Folder,
    /// A folder in the other namespace.
    Namespace,
    /// The account as a whole.
    Account,
}

/// Whether the action is to go on in that place, as if nothing were away.
pub(crate) fn goes_on(format: Format, away: Away, action: &str, place: Place) -> bool {
    match away {
        Away::Nothing => true,
        Away::Home => !needs_scripts(action),
        Away::Namespace => !matches!(place, Place::Namespace | Place::Account),
        // At RCPT, LMTP looks into the INBOX before the script says where the mail goes.
        Away::Inbox => matches!(place, Place::Folder | Place::Namespace) && action != "LMTP, filed",
        Away::Mail => format == Format::Mbox && place == Place::Inbox,
        Away::Alt => goes_on_without_alt(format, action, place),
        // All but bodies, and what needs them.
        Away::Attachments => {
            matches!(action, "LIST" | "STATUS" | "SELECT" | "STORE" | "SUBSCRIBE" | "IDLE")
        }
        Away::Index | Away::Control => false,
    }
}

/// Delivery runs the scripts in the home, and dsync copies them.
fn needs_scripts(action: &str) -> bool {
    matches!(action, "LMTP" | "LMTP, filed" | "LDA" | "LDA, filed" | "backup to" | "backup from" | "sync")
}

fn goes_on_without_alt(format: Format, action: &str, place: Place) -> bool {
    match action {
        // In mdbox a mail is copied, moved and expunged in the map, wherever it is.
        "RENAME" | "EXPUNGE" | "COPY" | "MOVE" | "CREATE" => format == Format::Mdbox,
        "LIST" | "STATUS" | "SELECT" | "FETCH" | "SEARCH BODY" | "STORE" | "APPEND" | "SUBSCRIBE"
        | "IDLE" | "LMTP" | "LMTP, filed" | "LDA" | "LDA, filed" => place != Place::Alt,
        _ => false,
    }
}
