//! The policy on real mounts: what goes on and what is refused while a filesystem is away.

use std::fs;
use std::os::unix::fs::symlink;

use fixtures::lab;
use fixtures::lab::{Lab, Mount};
use fixtures::registry::Registry;
use guard_dbox::{Change, DboxGuard, DboxLayout, Format};
use mount_core::{Cause, Directories, Mounts, Operation, Role, WhenMissing};
use nix::errno::Errno;
use nix::mount::umount;

fn open(registry: &Registry) -> Mounts {
    let directories = Directories { state: registry.state.clone(), run: registry.run.clone() };
    Mounts::open(&directories, WhenMissing::Refuse).expect("open the registry")
}

/// A store with each of its roles on a filesystem of its own.
struct Spread {
    roles: Vec<(Role, Mount)>,
    registry: Registry,
}

impl Spread {
    const ROLES: [Role; 6] =
        [Role::Mail, Role::Index, Role::Control, Role::Alt, Role::Attachments, Role::Home];

    fn new(lab: &Lab) -> Spread {
        let roles: Vec<_> = Self::ROLES.map(|role| (role, lab.tmpfs(format!("srv/{role}")))).into();
        let registry = Registry::of_mounts(lab, &roles.iter().map(|(_, mount)| mount).collect::<Vec<_>>());
        Spread { roles, registry }
    }

    fn mount(&self, wanted: Role) -> &Mount {
        &self.roles.iter().find(|(role, _)| *role == wanted).expect("one of the roles").1
    }

    fn layout(&self, lab: &Lab, driver: &str) -> DboxLayout {
        let srv = lab.path("srv").display().to_string();
        let location =
            format!("{driver}:{srv}/mail/bob:INDEX={srv}/index/bob:CONTROL={srv}/control:ALT={srv}/alt/bob");
        let layout = DboxLayout::from_mail_location(location, None).expect("a good location");
        let layout = layout.with(Role::Attachments, lab.path("srv/attachments")).expect("absolute");
        layout.with(Role::Home, lab.path("srv/home/bob")).expect("absolute")
    }
}

fn runs(guard: &DboxGuard<'_>, operation: Operation) -> bool {
    guard.guarded(operation, |_| ()).is_ok()
}

#[test]
fn everything_goes_on_while_all_is_mounted() {
    lab!(|lab| {
        let store = Spread::new(lab);
        let mounts = open(&store.registry);
        for driver in ["mdbox", "sdbox"] {
            let guard = DboxGuard::new(&mounts, store.layout(lab, driver));
            assert!(Operation::ALL.iter().all(|operation| runs(&guard, *operation)), "{driver}");
        }
    });
}

#[test]
fn exactly_what_needs_the_missing_role_is_refused() {
    use Operation::{Create, Delete, Deliver, Open, ReadAlt, Rebuild, Sync};
    lab!(|lab| {
        let store = Spread::new(lab);
        let mounts = open(&store.registry);
        for (away, goes_on) in [
            (Role::Mail, &[][..]),
            (Role::Index, &[]),
            (Role::Control, &[]),
            (Role::Alt, &[Open, Create, Deliver]),
            (Role::Attachments, &[Open, Create]),
            (Role::Home, &[Open, Create, ReadAlt, Rebuild, Delete]),
        ] {
            store.mount(away).take_away();
            for driver in ["mdbox", "sdbox"] {
                let guard = DboxGuard::new(&mounts, store.layout(lab, driver));
                for operation in [Open, Create, Deliver, ReadAlt, Rebuild, Delete, Sync] {
                    let expected = goes_on.contains(&operation);
                    assert_eq!(runs(&guard, operation), expected, "{driver}: {operation} with {away} away");
                }
            }
            store.mount(away).bring_back();
        }
    });
}

#[test]
fn changes_with_alternate_storage_away_are_refused_where_the_format_keeps_something_there() {
    lab!(|lab| {
        let store = Spread::new(lab);
        let mounts = open(&store.registry);
        store.mount(Role::Alt).take_away();
        for (driver, change, permitted) in [
            ("mdbox", Change::Rename, true),
            ("mdbox", Change::AltMails, true),
            ("sdbox", Change::Rename, false),
            ("sdbox", Change::AltMails, false),
            ("sdbox", Change::PrimaryMails, true),
        ] {
            let guard = DboxGuard::new(&mounts, store.layout(lab, driver));
            let paths = guard.layout().paths_for_change(change);
            assert_eq!(
                guard.authorize_paths(Operation::Delete, &paths).is_ok(),
                permitted,
                "{driver}: {change:?}"
            );
        }
    });
}

#[test]
fn refusal_names_the_mountpoint_and_the_operation() {
    lab!(|lab| {
        let store = Spread::new(lab);
        let mounts = open(&store.registry);
        let guard = DboxGuard::new(&mounts, store.layout(lab, "mdbox"));
        store.mount(Role::Alt).take_away();
        let refusal = guard.rebuild(|_| ()).expect_err("alternate storage is away");
        assert_eq!(refusal.operation(), Operation::Rebuild);
        assert_eq!(refusal.mountpoint(), Some(store.mount(Role::Alt).path()));
    });
}

/// The location says no `ALT`, as after an edit of the configuration; only the link in the store knows.
#[test]
fn alt_link_alone_makes_alternate_storage_needed() {
    lab!(|lab| {
        let (mail, alt) = (lab.tmpfs("srv/mail"), lab.tmpfs("srv/alt"));
        let mounts = open(&Registry::of_mounts(lab, &[&mail, &alt]));
        symlink(alt.path().join("bob"), mail.path().join("dbox-alt-root")).expect("the link");
        for format in [Format::Mdbox, Format::Sdbox] {
            let layout =
                DboxLayout::from_roots(format, mount_core::Roots::new(mail.path())).expect("absolute");
            let guard = DboxGuard::new(&mounts, layout);
            assert!(runs(&guard, Operation::Rebuild), "all is mounted");
            alt.take_away();
            assert!(!runs(&guard, Operation::Rebuild), "what the link leads to is away");
            assert!(runs(&guard, Operation::Deliver), "new mail is never alternate");
            alt.bring_back();
        }
    });
}

/// A link that names another directory than `ALT` does: mails may lie in either.
#[test]
fn alt_link_elsewhere_counts_beside_the_location() {
    lab!(|lab| {
        let (mail, old, new) = (lab.tmpfs("srv/mail"), lab.tmpfs("srv/old"), lab.tmpfs("srv/new"));
        let mounts = open(&Registry::of_mounts(lab, &[&mail, &old, &new]));
        symlink(old.path(), mail.path().join("dbox-alt-root")).expect("the link");
        let location = format!("mdbox:{}:ALT={}", mail.path().display(), new.path().display());
        let layout = DboxLayout::from_mail_location(location, None).expect("a good location");
        let guard = DboxGuard::new(&mounts, layout);
        for away in [&old, &new] {
            away.take_away();
            assert!(!runs(&guard, Operation::Rebuild), "{:?} is away", away.path());
            away.bring_back();
        }
    });
}

/// `storage` on a disk of its own: nothing but the path itself leads there.
#[test]
fn storage_behind_a_symlink_is_needed_for_deliveries() {
    lab!(|lab| {
        let (mail, disk) = (lab.tmpfs("srv/mail"), lab.tmpfs("disk"));
        let mounts = open(&Registry::of_mounts(lab, &[&mail, &disk]));
        symlink(disk.path().join("bob"), mail.path().join("storage")).expect("the link");
        let layout = DboxLayout::from_mail_location(format!("mdbox:{}", mail.path().display()), None);
        let guard = DboxGuard::new(&mounts, layout.expect("a good location"));
        assert!(runs(&guard, Operation::Deliver), "all is mounted");
        disk.take_away();
        assert!(!runs(&guard, Operation::Deliver), "storage is away");
    });
}

#[test]
fn mounts_are_busy_during_a_guarded_rebuild_and_free_right_after() {
    lab!(|lab| {
        let store = Spread::new(lab);
        let mounts = open(&store.registry);
        let guard = DboxGuard::new(&mounts, store.layout(lab, "mdbox"));
        let pinned = [Role::Mail, Role::Index, Role::Control, Role::Alt, Role::Attachments];
        let during = guard.rebuild(|_| pinned.map(|role| umount(store.mount(role).path())));
        assert_eq!(during.expect("all is mounted"), pinned.map(|_| Err(Errno::EBUSY)));
        for role in pinned {
            assert_eq!(umount(store.mount(role).path()), Ok(()), "{role} right after");
        }
    });
}

#[test]
fn success_is_not_answered_when_a_mount_went_away_meanwhile() {
    lab!(|lab| {
        let store = Spread::new(lab);
        let mounts = open(&store.registry);
        let guard = DboxGuard::new(&mounts, store.layout(lab, "mdbox"));
        let index = store.mount(Role::Index);
        let refusal = guard.rebuild(|_| index.take_away_lazily()).expect_err("its result is worth nothing");
        assert!(matches!(refusal.cause(), Cause::Vanished), "{refusal}");
        assert_eq!(refusal.mountpoint(), Some(index.path()));
        assert_eq!(fs::read_dir(index.path()).expect("the bare directory").count(), 0);
    });
}
