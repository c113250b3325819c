//! Mails told from other files, and the stores that they belong to.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;

use super::open_file;
use super::tree::{Found, name, parent};

/// The kind of store that a mail lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailKind {
    /// One file a mail, in `new` and `cur`.
    Maildir,
    /// One file a mail, `u.*` in `dbox-Mails`.
    Sdbox,
    /// Several mails a file, `m.*` in `storage`.
    Mdbox,
    /// One file a folder, which begins with `From `.
    Mbox,
}

/// What kind of mail a file is, if any. By where it lies and what it is called; an mbox, which can lie anywhere, by
/// how it begins.
pub(super) fn recognise(found: &Found<'_>) -> Option<MailKind> {
    if !found.is_regular() {
        return None;
    }
    match name(found.directory_path) {
        b"new" | b"cur" if is_maildir_name(found.name) => Some(MailKind::Maildir),
        b"dbox-Mails" if is_numbered(found.name, b"u.") => Some(MailKind::Sdbox),
        b"storage" if is_numbered(found.name, b"m.") => Some(MailKind::Mdbox),
        _ => begins_as_mbox(found).then_some(MailKind::Mbox),
    }
}

/// What a mail server keeps beside mails: indexes, lists of UIDs, subscriptions. Worth nothing without mails; what
/// dbox mails need to be read.
pub(super) fn is_companion(file: &[u8]) -> bool {
    file.starts_with(b"dovecot") || matches!(file, b"subscriptions" | b".subscriptions" | b"maildirfolder")
}

/// Whether a directory is one of those that mail stores consist of.
pub(super) fn is_of_store(directory: &[u8]) -> bool {
    matches!(directory, b"cur" | b"new" | b"tmp" | b"dbox-Mails" | b"storage" | b"mailboxes")
}

/// The directory of the store that a mail lies in, relative like the mail's own path; for an mbox at the top, which is
/// an INBOX in a spool, the file itself.
pub(super) fn store_of(kind: MailKind, path: &[u8]) -> Vec<u8> {
    let directory = parent(path);
    let root = match kind {
        MailKind::Maildir => {
            let maildir = parent(directory);
            // A folder of Maildir++ lies in the Maildir that is the INBOX.
            if name(maildir).starts_with(b".") && maildir != b"." { parent(maildir) } else { maildir }
        }
        MailKind::Mdbox => parent(directory),
        MailKind::Sdbox => {
            let mut above = directory;
            while above != b"." && name(above) != b"mailboxes" {
                above = parent(above);
            }
            if above == b"." { parent(directory) } else { parent(above) }
        }
        MailKind::Mbox if directory == b"." => path,
        MailKind::Mbox => directory,
    };
    root.to_vec()
}

/// The outermost of `roots` that a store lies in: nested folders are no stores of their own.
pub(super) fn outermost(root: &[u8], roots: &BTreeSet<Vec<u8>>) -> Vec<u8> {
    let mut outermost = root;
    let mut above = root;
    while above != b"." {
        above = parent(above);
        if above != b"." && roots.contains(above) {
            outermost = above;
        }
    }
    outermost.to_vec()
}

/// Seconds, a dot, something unique: what every delivery agent writes.
fn is_maildir_name(name: &[u8]) -> bool {
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && name.get(digits) == Some(&b'.')
}

fn is_numbered(name: &[u8], prefix: &[u8]) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

fn begins_as_mbox(found: &Found<'_>) -> bool {
    let mut head = [0; 5];
    let read =
        open_file(found.directory, found.name).map(File::from).map(|mut file| file.read_exact(&mut head));
    matches!(read, Ok(Ok(()))) && head == *b"From "
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_belong_to_their_store() {
        let store = |kind, path: &str| String::from_utf8(store_of(kind, path.as_bytes())).expect("ASCII");
        assert_eq!(store(MailKind::Maildir, "bob/Maildir/cur/1.x"), "bob/Maildir");
        assert_eq!(store(MailKind::Maildir, "bob/.Archive/new/1.x"), "bob");
        assert_eq!(store(MailKind::Maildir, "new/1.x"), ".");
        assert_eq!(store(MailKind::Sdbox, "bob/mailboxes/a/b/dbox-Mails/u.1"), "bob");
        assert_eq!(store(MailKind::Mdbox, "bob/storage/m.1"), "bob");
        assert_eq!(store(MailKind::Mbox, "bob"), "bob");
        assert_eq!(store(MailKind::Mbox, "bob/mail/Archive"), "bob/mail");
        let roots = BTreeSet::from([b"bob".to_vec(), b"bob/a/b".to_vec()]);
        assert_eq!(outermost(b"bob/a/b", &roots), b"bob");
        assert_eq!(outermost(b"ann", &roots), b"ann");
    }

    #[test]
    fn names_of_mails_are_told_from_others() {
        assert!(is_maildir_name(b"1700000000.M1P2.host:2,S") && !is_maildir_name(b"README"));
        assert!(is_numbered(b"u.12", b"u.") && !is_numbered(b"u.", b"u.") && !is_numbered(b"u.1.tmp", b"u."));
    }
}
