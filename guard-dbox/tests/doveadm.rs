//! The layout held against what Dovecot itself makes of the same location.

use fixtures::dovecot::MailPaths;
use guard_dbox::DboxLayout;
use mount_core::Role;

/// Each with `@` for a directory of the test's own.
const LOCATIONS: &[&str] = &[
    "mdbox:@/m",
    "mdbox:~",
    "sdbox:~/mail/:INDEX=@/i:CONTROL=~/c",
    "sdbox:~/a::b:ALT=@/a:::INDEX=MEMORY",
    "SDBOX:%h/m:ALT=@/a/",
    "dbox:@/m:MAILBOXDIR=boxes:DIRNAME=mails:INDEX=@/i:ALT=@/a:",
    "mdbox:@/m:MAILBOXDIR=/boxes/:CONTROL=@/c",
    "sdbox:@/50%%:NO-NOSELECT:VOLATILEDIR=@/v:INBOX=@/in",
];

/// Kinds of paths, and the roles that their roots may have.
const KINDS: &[(&str, Role, Role)] = &[
    ("index", Role::Index, Role::Inbox),
    ("control", Role::Control, Role::Inbox),
    ("mailbox", Role::Mail, Role::Inbox),
    ("alt-dir", Role::Alt, Role::Alt),
    ("alt-mailbox", Role::Alt, Role::Alt),
];

#[test]
#[ignore = "needs root: doveadm becomes the mail user"]
fn dovecots_paths_lie_beneath_the_roots_of_their_roles() {
    for dovecot in LOCATIONS.iter().copied().map(MailPaths::of) {
        let location = dovecot.location();
        let layout = DboxLayout::from_mail_location(location, Some(dovecot.home())).expect(location);
        for mailbox in ["INBOX", "Archive"] {
            dovecot.assert_beneath(mailbox, KINDS, |role| layout.roots().paths(&[role]));
        }
    }
}
