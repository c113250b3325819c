//! What a location becomes, and what each kind of work needs of it.

use std::path::Path;

use guard_mbox::{MboxLayout, Scope, roles_for};
use mount_core::{ErrorKind, Operation, Role, Roots};
use proptest::prelude::*;

fn layout(location: &str) -> MboxLayout {
    MboxLayout::from_mail_location(location, None).expect("a good location")
}

#[test]
fn inbox_is_in_the_mail_root_unless_said_otherwise() {
    assert_eq!(layout("mbox:/m").mailbox("INBOX").expect("INBOX"), Path::new("/m/inbox"));
    assert_eq!(
        layout("mbox:/m:INBOX=/var/mail/bob").mailbox("Inbox").expect("INBOX"),
        Path::new("/var/mail/bob")
    );
}

#[test]
fn folders_are_files_below_the_mail_root() {
    assert_eq!(layout("mbox:/m").mailbox("lists/rust").expect("a name"), Path::new("/m/lists/rust"));
    let other = layout("mbox:/m:MAILBOXDIR=boxes:DIRNAME=mbox");
    assert_eq!(other.mailbox("lists").expect("a name"), Path::new("/m/boxes/lists/mbox"));
    for name in ["", ".", "..", "a//b", "a/../..", "/etc", "a/", "~", "a\0b"] {
        assert!(layout("mbox:/m").mailbox(name).is_err(), "{name:?}");
    }
}

#[test]
fn control_is_a_role_only_where_it_is_said() {
    assert_eq!(layout("mbox:/m").roots().get(Role::Control), None);
    assert_eq!(layout("mbox:/m:CONTROL=/c").roots().get(Role::Control), Some(Path::new("/c")));
}

#[test]
fn other_drivers_and_layouts_are_refused() {
    for location in ["maildir:/m", "mbox:/m:LAYOUT=maildir++", "mbox:INBOX=/var/mail/bob"] {
        let error = MboxLayout::from_mail_location(location, None).expect_err(location);
        assert_eq!(error.kind(), ErrorKind::Usage, "{location}");
    }
    assert!(MboxLayout::from_roots(Roots::new("mail")).is_err());
}

fn needed(location: &str, scope: Scope, operation: Operation) -> Vec<String> {
    let layout = layout(location);
    layout.roots().paths(roles_for(scope, operation)).iter().map(|path| path.display().to_string()).collect()
}

#[test]
fn inbox_elsewhere_goes_on_without_the_mail_root_when_its_index_is_elsewhere() {
    use Operation::{Delete, Deliver, Open, Rebuild};
    for operation in [Open, Deliver, Delete, Rebuild] {
        assert_eq!(needed("mbox:/m:INBOX=/s/bob:INDEX=/i", Scope::Inbox, operation), ["/i", "/s/bob"]);
        assert_eq!(needed("mbox:/m:INBOX=/s/bob:INDEX=MEMORY", Scope::Inbox, operation), ["/s/bob"]);
        assert_eq!(needed("mbox:/m:INBOX=/s/bob", Scope::Inbox, operation), ["/m", "/s/bob"]);
    }
    let create = needed("mbox:/m:INBOX=/s/bob:INDEX=/i", Scope::Inbox, Operation::Create);
    assert!(create.contains(&"/m".to_owned()), "{create:?}");
}

#[test]
fn folders_go_on_without_the_inbox() {
    for operation in Operation::ALL.iter().filter(|operation| **operation != Operation::Sync) {
        let paths = needed("mbox:/m:INBOX=/s/bob:CONTROL=/c", Scope::Folder, *operation);
        assert_eq!(paths, ["/m", "/c"], "{operation}");
    }
}

#[test]
fn replication_needs_the_whole_store_and_its_scripts() {
    for scope in [Scope::Store, Scope::Inbox, Scope::Folder] {
        for role in [Role::Mail, Role::Inbox, Role::Index, Role::Control, Role::Home] {
            assert!(roles_for(scope, Operation::Sync).contains(&role), "{scope:?} {role}");
        }
    }
}

proptest! {
    #[test]
    fn no_name_leads_out_of_the_root(name in prop::collection::vec(prop::sample::select(b"./~a\0".to_vec()), 0..12)) {
        if let Ok(path) = layout("mbox:/m").mailbox(&name) {
            prop_assert!(path.starts_with("/m") && path != Path::new("/m"), "{path:?}");
            prop_assert!(path.components().all(|part| part.as_os_str() != ".."), "{path:?}");
        }
    }
}
