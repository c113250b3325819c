//! The layout held against what Dovecot itself makes of the same location.

use fixtures::dovecot::MailPaths;
use guard_maildir::MaildirLayout;
use mount_core::Role;

/// Each with `@` for a directory of the test's own.
const LOCATIONS: &[&str] = &[
    "maildir:@/m",
    "maildir:~/Maildir/:INDEX=MEMORY",
    "maildir:~:LAYOUT=fs:INDEX=~/i:CONTROL=@/c",
    "Maildir:~/a::b:INBOX=@/in:INDEX=@/i",
    "maildir:@/m:LAYOUT=fs:DIRNAME=.mail",
    "maildir:@/m:LAYOUT=fs:FULLDIRNAME=.mail:INDEX=@/i:",
    "maildir:@/m:LAYOUT=fs:MAILBOXDIR=/boxes/:ALT=@/a",
    "maildir:@/m:LAYOUT=imapdir:LISTINDEX=x/list",
];

/// Kinds of paths, and the roles that their roots may have.
const KINDS: &[(&str, Role, Role)] = &[
    ("index", Role::Index, Role::Inbox),
    ("control", Role::Control, Role::Inbox),
    ("mailbox", Role::Mail, Role::Inbox),
];

#[test]
#[ignore = "needs root: doveadm becomes the mail user"]
fn maildirs_and_roots_are_where_dovecot_has_them() {
    for dovecot in LOCATIONS.iter().copied().map(MailPaths::of) {
        let location = dovecot.location();
        let layout = MaildirLayout::from_mail_location(location, Some(dovecot.home())).expect(location);
        for mailbox in ["INBOX", "Archive"] {
            dovecot.assert_beneath(mailbox, KINDS, |role| layout.roots().paths(&[role]));
            let ours = layout.mailbox(mailbox).expect("a plain name");
            assert_eq!(Some(ours), dovecot.get("mailbox", mailbox), "{location}: {mailbox}");
        }
    }
}
