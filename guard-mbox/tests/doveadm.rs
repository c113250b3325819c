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

/// Kinds of paths, and the roles that their roots may have.
const KINDS: &[(&str, Role, Role)] = &[
    ("index", Role::Index, Role::Index),
    ("control", Role::Control, Role::Mail),
    ("mailbox", Role::Mail, Role::Inbox),
];

#[test]
#[ignore = "needs root: doveadm becomes the mail user"]
fn mbox_files_and_roots_are_where_dovecot_has_them() {
    for dovecot in LOCATIONS.iter().copied().map(MailPaths::of) {
        let location = dovecot.location();
        let layout = MboxLayout::from_mail_location(location, Some(dovecot.home())).expect(location);
        for mailbox in ["INBOX", "lists/rust"] {
            dovecot.assert_beneath(mailbox, KINDS, |role| layout.roots().paths(&[role]));
            let ours = layout.mailbox(mailbox).expect("a plain name");
            assert_eq!(Some(ours), dovecot.get("mailbox", mailbox), "{location}: {mailbox}");
        }
    }
}
