//! The commands that deliver rescued mail again.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mount_core::audit::{MailKind, RescuedStore};

/// Names that say what a directory is, not whose.
const NOBODYS: [&str; 7] = ["Maildir", "mail", "Mail", "mdbox", "sdbox", "dbox", "maildir"];

/// For an administrator to look through and run: whose mail it is, the path can only suggest.
pub(super) fn command(store: &RescuedStore, kind: &str) -> String {
    let location = match store.kind {
        MailKind::Mbox if store.path.is_file() => {
            let mut location = b"mbox:/nonexistent:INDEX=MEMORY:INBOX=".to_vec();
            location.extend_from_slice(store.path.as_os_str().as_bytes());
            location
        }
        _ => [kind.as_bytes(), b":", store.path.as_os_str().as_bytes()].concat(),
    };
    let user = user(&store.was).map_or_else(|| "USER".to_owned(), |user| quoted(user.as_bytes()));
    let location = quoted(&location);
    let import = format!("doveadm import -u {user} {location} '' all");
    match store.kind {
        // Their indexes may lie elsewhere, and without them there are no mails.
        MailKind::Sdbox | MailKind::Mdbox => {
            format!("doveadm -o mail_location={location} force-resync -u {user} '*' && {import}")
        }
        MailKind::Maildir | MailKind::Mbox => import,
    }
}

/// The last directory that is named after somebody.
fn user(was: &Path) -> Option<&OsStr> {
    let mut names = was.components().rev().map(|component| component.as_os_str());
    names.find(|name| !NOBODYS.iter().any(|nobody| OsStr::new(nobody) == *name))
}

/// As a word for the shell.
fn quoted(bytes: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-:=@+,%".contains(byte);
    if bytes.iter().all(is_plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut word = String::from("$'");
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => word.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => word.push(char::from(*byte)),
            _ => word.push_str(&format!("\\{byte:03o}")),
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn of(kind: MailKind, word: &str, was: &str) -> String {
        let path = PathBuf::from("/rescue/srv").join(was);
        command(&RescuedStore { kind, path, was: was.into(), mails: 1 }, word)
    }

    #[test]
    fn user_is_whoever_the_path_names_last() {
        let maildir = of(MailKind::Maildir, "maildir", "example.org/bob/Maildir");
        assert_eq!(maildir, "doveadm import -u bob maildir:/rescue/srv/example.org/bob/Maildir '' all");
        let mdbox = "doveadm -o mail_location=mdbox:/rescue/srv/ann force-resync -u ann '*' && \
                     doveadm import -u ann mdbox:/rescue/srv/ann '' all";
        assert_eq!(of(MailKind::Mdbox, "mdbox", "ann"), mdbox);
        assert!(of(MailKind::Maildir, "maildir", "").contains(" -u USER "));
    }

    #[test]
    fn paths_are_words_for_the_shell() {
        assert_eq!(quoted("a b".as_bytes()), "$'a b'");
        assert_eq!(quoted(b"it's\n\xff"), "$'it\\'s\\012\\377'");
    }
}
