//! What a location becomes, and what each kind of work needs of it.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use guard_dbox::{Change, DboxLayout, Format, roles_for, roles_for_bodies, roles_for_change};
use mount_core::{ErrorKind, Operation, Role, Roots};
use proptest::prelude::*;

fn layout(location: &str) -> DboxLayout {
    DboxLayout::from_mail_location(location, None).expect("a good location")
}

fn paths(location: &str, roles: &[Role]) -> Vec<String> {
    layout(location).paths(roles).iter().map(|path| path.display().to_string()).collect()
}

#[test]
fn dbox_drivers_are_accepted_and_others_refused() {
    assert_eq!(layout("mdbox:/m").format(), Format::Mdbox);
    assert_eq!(layout("sdbox:/m").format(), Format::Sdbox);
    assert_eq!(layout("dbox:/m").format(), Format::Sdbox);
    for location in ["maildir:/m", "auto:/m", "mdbox2:/m", "mdbox:/m:INDEX=MEMORY"] {
        let error = DboxLayout::from_mail_location(location, None).expect_err(location);
        assert_eq!(error.kind(), ErrorKind::Usage, "{location}");
    }
}

#[test]
fn directories_that_dbox_has_in_its_roots_are_judged_too() {
    assert_eq!(paths("mdbox:/m:INDEX=/i", &[Role::Mail]), ["/m", "/m/mailboxes", "/m/storage"]);
    assert_eq!(paths("mdbox:/m:INDEX=/i", &[Role::Index]), ["/i", "/i/mailboxes", "/i/storage"]);
    assert_eq!(paths("sdbox:/m:MAILBOXDIR=/boxes/", &[Role::Control]), ["/m", "/m/boxes"]);
    assert_eq!(paths("sdbox:/m:MAILBOXDIR=", &[Role::Control]), ["/m", "/m/mailboxes"]);
    assert_eq!(paths("mdbox:/m:INBOX=/in", &[Role::Inbox]), ["/in"]);
}

#[test]
fn alt_link_is_alternate_storage_beside_what_the_location_says() {
    let link = ["/m/dbox-alt-root", "/m/dbox-alt-root/mailboxes"];
    assert_eq!(paths("sdbox:/m", &[Role::Alt]), link);
    assert_eq!(paths("sdbox:/m:ALT=/a", &[Role::Alt]), ["/a", "/a/mailboxes", link[0], link[1]]);
    assert!(!paths("sdbox:/m:ALT=/a", &[Role::Mail]).contains(&link[0].to_owned()));
}

#[test]
fn alt_link_must_agree_with_the_location() {
    let root = tempfile::tempdir().expect("a directory");
    let mail = root.path().display();
    let check = |location: String| layout(&location).check_alt_link();
    assert!(check(format!("mdbox:{mail}:ALT=/a")).is_ok(), "nothing was ever moved to alternate storage");

    symlink("/a", root.path().join("dbox-alt-root")).expect("the link");
    assert!(check(format!("mdbox:{mail}:ALT=/a")).is_ok());
    for location in [format!("mdbox:{mail}:ALT=/b"), format!("mdbox:{mail}")] {
        let error = check(location).expect_err("it disagrees");
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.to_string().contains("\"/a\""), "{error}");
    }
}

#[test]
fn alt_link_of_old_versions_led_to_the_mailboxes() {
    let root = tempfile::tempdir().expect("a directory");
    symlink("/a/mailboxes", root.path().join("dbox-alt-root")).expect("the link");
    assert!(layout(&format!("sdbox:{}:ALT=/a", root.path().display())).check_alt_link().is_ok());
}

#[test]
fn alt_link_that_is_no_link_is_an_error() {
    let root = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(root.path().join("dbox-alt-root")).expect("a directory in its place");
    let error = layout(&format!("sdbox:{}", root.path().display())).check_alt_link().expect_err("no link");
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn further_roles_can_be_given() {
    let layout = layout("mdbox:/m").with(Role::Attachments, "/att").expect("absolute");
    assert_eq!(layout.paths(&[Role::Attachments]), [PathBuf::from("/att")]);
    assert!(layout.with(Role::Home, "bob").is_err());
    assert!(DboxLayout::from_roots(Format::Sdbox, Roots::new("mail")).is_err());
}

/// With alternate storage away: what goes on, and what is refused.
#[test]
fn only_work_that_touches_alternate_storage_needs_it() {
    use Operation::{Create, Delete, Deliver, Open, ReadAlt, Rebuild, Sync};
    for operation in [Open, Create, Deliver] {
        assert!(!roles_for(operation).contains(&Role::Alt), "{operation}");
    }
    for operation in [ReadAlt, Rebuild, Delete, Sync] {
        assert!(roles_for(operation).contains(&Role::Alt), "{operation}");
    }
    for (change, of_sdbox) in [
        (Change::NewMailbox, true),
        (Change::Rename, true),
        (Change::AltMails, true),
        (Change::PrimaryMails, false),
    ] {
        assert_eq!(roles_for_change(Format::Sdbox, change).contains(&Role::Alt), of_sdbox, "{change:?}");
        assert!(!roles_for_change(Format::Mdbox, change).contains(&Role::Alt), "{change:?}");
    }
}

#[test]
fn bodies_need_attachments_and_no_alternate_storage() {
    assert!(roles_for_bodies().contains(&Role::Attachments) && !roles_for_bodies().contains(&Role::Alt));
    assert!(roles_for(Operation::ReadAlt).contains(&Role::Attachments));
    assert!(!roles_for(Operation::Open).contains(&Role::Attachments));
}

#[test]
fn everything_needs_mails_indexes_and_control_files() {
    for role in [Role::Mail, Role::Index, Role::Control] {
        assert!(Operation::ALL.iter().all(|operation| roles_for(*operation).contains(&role)), "{role}");
    }
}

proptest! {
    #[test]
    fn hostile_locations_give_absolute_paths_only(text in "[~/:=%hA-Z.]{0,60}") {
        let location = format!("mdbox:{text}:ALT={text}:MAILBOXDIR={text}");
        if let Ok(layout) = DboxLayout::from_mail_location(location, Some(Path::new("/home/bob"))) {
            prop_assert!(layout.paths(Role::ALL).iter().all(|path| path.is_absolute()));
        }
    }
}
