//! The layout held against what Dovecot itself makes of the same location.

use fixtures::dovecot::MailPaths;
use guard_mbox::MboxLayout;
use mount_core::Role;

/// Each with `@` for a directory of the test's own.
const LOCATIONS: &[&str] = &[
    "mbox:@/m",
    "mbox:~/mail:INBOX=@/spool/bob",
    "mbox:~/mail/:INBOX=@/spool/bob:INDEX=@/i:CONTROL=@/c:",
    "MBOX:~/a::b:INDEX=MEMORY",
    "mbox:@/m:INDEX=:LAYOUT=fs:UTF-8",
    "mbox:@/m:MAILBOXDIR=boxes:DIRNAME=mbox:INDEX=@/i",
    "mbox:%h/mail:SUBSCRIPTIONS=subs:BROKENCHAR=%%",
];

const MAILBOXES: [&str; 2] = ["INBOX", "lists/rust"];

fn layout(dovecot: &MailPaths) -> MboxLayout {
    let location = dovecot.location();
    MboxLayout::from_mail_location(location, Some(dovecot.home())).expect(location)
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
            ("index", Role::Index, Role::Index),
            ("control", Role::Control, Role::Mail),
            ("mailbox", Role::Mail, Role::Inbox),
        ] {
            let [roots, others] = [role, other].map(|role| layout.roots().paths(&[role]));
            for mailbox in MAILBOXES {
                dovecot.assert_beneath(kind, mailbox, &roots, &others);
            }
        }
    }
}
