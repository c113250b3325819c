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

const MAILBOXES: [&str; 2] = ["INBOX", "Archive"];

fn layout(dovecot: &MailPaths) -> MaildirLayout {
    let location = dovecot.location();
    MaildirLayout::from_mail_location(location, Some(dovecot.home())).expect(location)
}

#[test]
#[ignore = "needs root: doveadm becomes the mail user"]
fn mailboxes_are_where_dovecot_has_them() {
    for dovecot in LOCATIONS.iter().copied().map(MailPaths::of) {
        let layout = layout(&dovecot);
        for mailbox in MAILBOXES {
            let ours = layout.mailbox(mailbox).expect("a plain name");
            assert_eq!(Some(ours), dovecot.get("mailbox", mailbox), "{}: {mailbox}", dovecot.location());
        }
    }
}

#[test]
#[ignore = "needs root: doveadm becomes the mail user"]
fn dovecots_paths_lie_beneath_the_roots_of_their_roles() {
    for dovecot in LOCATIONS.iter().copied().map(MailPaths::of) {
        let layout = layout(&dovecot);
        for (kind, role, other) in [
            ("index", Role::Index, Role::Inbox),
            ("control", Role::Control, Role::Inbox),
            ("mailbox", Role::Mail, Role::Inbox),
        ] {
            let [roots, others] = [role, other].map(|role| layout.roots().paths(&[role]));
            for mailbox in MAILBOXES {
                dovecot.assert_beneath(kind, mailbox, &roots, &others);
            }
        }
    }
}
