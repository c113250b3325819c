//! What a location becomes, and where its mailboxes are.

use std::path::Path;

use guard_maildir::{Folders, MaildirLayout, roles_for};
use mount_core::{ErrorKind, Operation, Role, Roots};
use proptest::prelude::*;

fn layout(location: &str) -> MaildirLayout {
    MaildirLayout::from_mail_location(location, None).expect("a good location")
}

#[test]
fn layouts_have_their_own_names_for_a_mailbox() {
    for (location, inbox, archive) in [
        ("maildir:/m", "/m", "/m/.Archive"),
        ("maildir:/m:LAYOUT=maildir++:INBOX=/in", "/in", "/m/.Archive"),
        ("maildir:/m:LAYOUT=fs", "/m", "/m/Archive"),
        ("maildir:/m:LAYOUT=fs:DIRNAME=.mail", "/m/INBOX/.mail", "/m/Archive/.mail"),
        ("maildir:/m:LAYOUT=fs:MAILBOXDIR=boxes", "/m", "/m/boxes/Archive"),
        ("maildir:/m:LAYOUT=imapdir", "/m/INBOX", "/m/Archive"),
    ] {
        assert_eq!(layout(location).mailbox("INBOX").expect("INBOX"), Path::new(inbox), "{location}");
        assert_eq!(layout(location).mailbox("Archive").expect("Archive"), Path::new(archive), "{location}");
    }
    assert_eq!(layout("maildir:/m").mailbox("inbox").expect("INBOX in any case"), Path::new("/m"));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", "..", "a..b", ".a", "a.", "a/b", "../x", "~eve", "/etc", "a\0b"] {
        assert!(layout("maildir:/m").mailbox(name).is_err(), "Maildir++ {name:?}");
    }
    for name in ["", ".", "..", "a//b", "a/../..", "/etc", "a/", "~", "a\0b"] {
        assert!(layout("maildir:/m:LAYOUT=fs").mailbox(name).is_err(), "fs {name:?}");
    }
    assert!(layout("maildir:/m:LAYOUT=fs").mailbox("a..b/.c").is_ok(), "dots are plain in fs layout");
    assert!(layout("maildir:/m:LAYOUT=index").mailbox("Archive").is_err(), "only the list index knows");
}

#[test]
fn other_drivers_and_layouts_are_refused() {
    for location in ["mbox:/m", "maildir:/m:LAYOUT=FS", "maildir:/m:LAYOUT=", "maildir:/m:LAYOUT=none"] {
        let error = MaildirLayout::from_mail_location(location, None).expect_err(location);
        assert_eq!(error.kind(), ErrorKind::Usage, "{location}");
    }
    assert!(MaildirLayout::from_roots(Folders::Fs, Roots::new("mail")).is_err());
}

#[test]
fn alternate_storage_is_no_role_of_maildir() {
    assert_eq!(layout("maildir:/m:LAYOUT=fs:ALT=/a").roots().get(Role::Alt), None);
}

#[test]
fn everything_needs_the_uidlist_where_it_is() {
    for role in [Role::Mail, Role::Index, Role::Control] {
        assert!(Operation::ALL.iter().all(|operation| roles_for(*operation).contains(&role)), "{role}");
    }
}

#[test]
fn only_deliveries_and_replication_need_the_scripts_in_a_home() {
    for operation in Operation::ALL {
        let needed = matches!(operation, Operation::Deliver | Operation::Sync);
        assert_eq!(roles_for(*operation).contains(&Role::Home), needed, "{operation}");
    }
}

proptest! {
    #[test]
    fn no_name_leads_out_of_the_root(name in prop::collection::vec(prop::sample::select(b"./~a\0".to_vec()), 0..12)) {
        for location in ["maildir:/m", "maildir:/m:LAYOUT=fs", "maildir:/m:LAYOUT=imapdir"] {
            if let Ok(path) = layout(location).mailbox(&name) {
                prop_assert!(path.starts_with("/m") && path != Path::new("/m"), "{path:?}");
                prop_assert!(path.components().all(|part| part.as_os_str() != ".."), "{path:?}");
            }
        }
    }
}
