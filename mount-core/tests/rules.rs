//! The rules of the verdict, each on real mounts.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{Opened, remount_elsewhere};
use fixtures::lab;
use fixtures::registry::Registry;
use mount_core::registry::{Document, Mode, Pattern, Store, Stuck};
use mount_core::{Cause, ErrorKind, Method, Mounts, Operation, Presence, Refusal, State, WhenMissing};
use nix::mount::MsFlags;

fn refusal(mounts: &Mounts, path: impl AsRef<Path>) -> Refusal {
    mounts.verdict(Operation::Create, path.as_ref()).expect_err("must be refused")
}

fn permitted(mounts: &Mounts, path: impl AsRef<Path>) {
    if let Err(refusal) = mounts.verdict(Operation::Create, path.as_ref()) {
        panic!("must be permitted: {refusal}");
    }
}

fn is_absent(refusal: &Refusal) -> bool {
    matches!(refusal.cause(), Cause::Presence(Presence::NotMounted))
}

#[test]
fn without_registered_mountpoints_everything_is_permitted() {
    lab!(|lab| {
        let mounts = Registry::in_lab(lab).open();
        permitted(&mounts, lab.path("srv/mail/bob"));
        permitted(&mounts, "/nowhere/at/all");
    });
}

#[test]
fn bare_directory_of_a_registered_mountpoint_is_refused_until_it_is_mounted() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let registry = Registry::in_lab(lab);
        let mounts = registry.register(mail.path(), State::Online).open();
        permitted(&mounts, mail.path().join("bob/mailboxes"));
        mail.take_away();
        let refused = refusal(&mounts, mail.path().join("bob/mailboxes"));
        assert!(is_absent(&refused), "{refused}");
        assert_eq!(refused.mountpoint(), Some(mail.path()));
        assert_eq!(refused.state(), Some(State::Online));
        assert!(refused.to_string().contains("mount it"), "{refused}");
        mail.bring_back();
        permitted(&mounts, mail.path().join("bob/mailboxes"));
    });
}

#[test]
fn a_shadow_directory_underneath_is_no_way_round() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = Registry::in_lab(lab).register(mail.path(), State::Online).open();
        permitted(&mounts, mail.path().join("bob"));
        mail.take_away();
        fs::create_dir_all(mail.path().join("bob/mailboxes")).expect("a shadow of the store");
        assert!(is_absent(&refusal(&mounts, mail.path().join("bob/mailboxes"))));
    });
}

#[test]
fn missing_mountpoint_directory_is_refused() {
    lab!(|lab| {
        let mounts = Registry::in_lab(lab).register(lab.path("srv/gone"), State::Online).open();
        assert!(is_absent(&refusal(&mounts, lab.path("srv/gone/bob"))));
    });
}

#[test]
fn registered_mountpoint_covers_whole_components_only() {
    lab!(|lab| {
        lab.dir("runmail");
        let mounts = Registry::in_lab(lab).register(lab.dir("run"), State::Online).open();
        permitted(&mounts, lab.path("runmail/bob"));
        assert!(is_absent(&refusal(&mounts, lab.path("run/mail"))));
    });
}

#[test]
fn symlink_in_a_bare_directory_leads_nowhere() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let elsewhere = lab.tmpfs("srv/elsewhere");
        mail.take_away();
        symlink(elsewhere.path(), mail.path().join("bob")).expect("a symlink in the bare directory");
        let registry = Registry::in_lab(lab);
        let mounts =
            registry.register(mail.path(), State::Online).register(elsewhere.path(), State::Online).open();
        let refused = refusal(&mounts, mail.path().join("bob/Maildir"));
        assert_eq!(refused.mountpoint(), Some(mail.path()), "{refused}");
    });
}

#[test]
fn symlink_into_a_missing_filesystem_is_refused_from_anywhere() {
    lab!(|lab| {
        let home = lab.dir("home/bob");
        let alt = lab.dir("srv/alt");
        symlink(&alt, home.join("alt")).expect("a symlink in the home");
        let mounts = Registry::in_lab(lab).register(&alt, State::Online).open();
        assert!(is_absent(&refusal(&mounts, home.join("alt/storage"))));
        symlink("../../srv/./alt//", home.join("relative")).expect("a relative symlink");
        assert!(is_absent(&refusal(&mounts, home.join("relative/storage"))));
        permitted(&mounts, home.join("mail"));
    });
}

#[test]
fn dots_after_a_symlink_go_where_the_kernel_goes() {
    lab!(|lab| {
        let mail = lab.dir("srv/mail");
        lab.dir("srv/mail/bob");
        let home = lab.dir("home/bob");
        symlink(mail.join("bob"), home.join("mail")).expect("a symlink");
        let mounts = Registry::in_lab(lab).register(&mail, State::Online).open();
        assert!(is_absent(&refusal(&mounts, home.join("mail/../alice"))));
        assert!(is_absent(&refusal(&mounts, lab.path("srv//mail/./x/../bob/"))));
        assert!(is_absent(&refusal(&mounts, mail.join(".."))), "the walk crosses the bare directory");
    });
}

#[test]
fn ignored_mountpoint_leaves_the_decision_to_the_enclosing_one() {
    lab!(|lab| {
        let srv = lab.tmpfs("srv");
        lab.dir("srv/scratch");
        let registry = Registry::in_lab(lab);
        let mounts = registry
            .register(srv.path(), State::Online)
            .register(srv.path().join("scratch"), State::Ignore)
            .open();
        permitted(&mounts, srv.path().join("scratch/x"));
        srv.take_away();
        let refused = refusal(&mounts, srv.path().join("scratch/x"));
        assert_eq!(refused.mountpoint(), Some(srv.path()));
    });
}

#[test]
fn enclosing_mountpoint_must_be_permitted_too() {
    lab!(|lab| {
        let outer = lab.tmpfs("srv");
        let inner = lab.tmpfs("srv/mail");
        let registry = Registry::in_lab(lab);
        let mounts =
            registry.register(outer.path(), State::Online).register(inner.path(), State::Online).open();
        permitted(&mounts, inner.path().join("bob"));
        registry.register(outer.path(), State::Offline);
        mounts.refresh().expect("refresh");
        assert_eq!(refusal(&mounts, inner.path().join("bob")).mountpoint(), Some(outer.path()));
        registry.register(outer.path(), State::Online);
        mounts.refresh().expect("refresh");
        inner.take_away();
        outer.take_away();
        lab.tmpfs("srv/mail");
        let refused = refusal(&mounts, inner.path().join("bob"));
        assert_eq!(refused.mountpoint(), Some(outer.path()), "inner mounted in the bare directory of outer");
    });
}

#[test]
fn offline_and_failover_are_refused_though_mounted_each_with_its_own_text() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let registry = Registry::in_lab(lab);
        let mounts = registry.register(mail.path(), State::Offline).open();
        let offline = refusal(&mounts, mail.path().join("bob"));
        registry.register(mail.path(), State::Failover);
        mounts.refresh().expect("refresh");
        let failover = refusal(&mounts, mail.path().join("bob"));
        assert!(matches!(offline.cause(), Cause::State(State::Offline)));
        assert!(matches!(failover.cause(), Cause::State(State::Failover)));
        assert!(failover.to_string().contains("replica"), "{failover}");
        assert!(!offline.to_string().contains("replica"), "{offline}");
    });
}

#[test]
fn wildcard_makes_each_direct_child_a_mountpoint_of_its_own() {
    lab!(|lab| {
        let tank = lab.dir("tank/mail");
        let bob = lab.tmpfs("tank/mail/bob");
        lab.dir("tank/mail/alice");
        let mounts = Registry::in_lab(lab).register(tank.join("*"), State::Online).open();
        permitted(&mounts, bob.path().join("mailboxes"));
        permitted(&mounts, &tank);
        let refused = refusal(&mounts, tank.join("alice/mailboxes"));
        assert_eq!(refused.mountpoint(), Some(&*tank.join("alice")));
        bob.take_away();
        assert!(is_absent(&refusal(&mounts, bob.path().join("mailboxes"))));
    });
}

#[test]
fn explicit_path_beats_a_wildcard_of_equal_depth() {
    lab!(|lab| {
        let tank = lab.dir("tank/mail");
        lab.dir("tank/mail/shared");
        let registry = Registry::in_lab(lab);
        registry.register(tank.join("*"), State::Online).register(tank.join("shared"), State::Ignore);
        permitted(&registry.open(), tank.join("shared/x"));
    });
}

#[test]
fn ignoring_wildcard_covers_everything_below_but_not_the_directory_itself() {
    lab!(|lab| {
        let mnt = lab.dir("mnt");
        let registry = Registry::in_lab(lab);
        let mounts = registry.register(mnt.join("*"), State::Ignore).open();
        permitted(&mounts, mnt.join("foo/bar"));
        registry.register(&mnt, State::Online);
        mounts.refresh().expect("refresh");
        assert!(is_absent(&refusal(&mounts, mnt.join("foo/bar"))));
    });
}

fn record_read_write(registry: &Registry, mountpoint: &Path) {
    let pattern = Pattern::parse(mountpoint).expect("pattern").into_owned();
    let record = |list: &mut Document| {
        let mut entry = list.get(&pattern).expect("registered").into_owned();
        entry.options.set_mode(Mode::ReadWrite);
        list.replace(entry)
    };
    Store::new(registry.directories()).update(record).expect("record the mode");
}

#[test]
fn read_only_refuses_writing_where_read_write_was_recorded() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let registry = Registry::in_lab(lab);
        let mounts = registry.register(mail.path(), State::Online).open();
        mail.remount_read_only();
        permitted(&mounts, mail.path().join("bob"));
        record_read_write(&registry, mail.path());
        mounts.refresh().expect("refresh");
        let refused = refusal(&mounts, mail.path().join("bob"));
        assert!(matches!(refused.cause(), Cause::ReadOnly), "{refused}");
        mounts.verdict(Operation::Open, &mail.path().join("bob")).expect("reading goes on");
    });
}

#[test]
fn filesystem_made_read_write_again_elsewhere_is_permitted_at_once() {
    for method in [Method::UniqueId, Method::MountId, Method::ParentChain] {
        lab!(method.as_str(), |lab| {
            let mail = lab.tmpfs("srv/mail");
            let registry = Registry::of_mounts(lab, &[&mail]);
            record_read_write(&registry, mail.path());
            let mounts = Mounts::open_with_method(&registry.directories(), WhenMissing::Refuse, method);
            let mounts = mounts.expect("open the registry");
            remount_elsewhere(lab, mail.path(), MsFlags::MS_RDONLY);
            let refused = refusal(&mounts, mail.path().join("bob"));
            assert!(matches!(refused.cause(), Cause::ReadOnly), "{refused}");
            remount_elsewhere(lab, mail.path(), MsFlags::empty());
            permitted(&mounts, mail.path().join("bob"));
            mounts.authorize(Operation::Create, &[mail.path()]).expect("read-write");
        });
    }
}

#[test]
fn recorded_as_stuck_is_refused_at_once_and_permitted_when_it_answers() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let registry = Registry::in_lab(lab);
        let mounts = registry.register(mail.path(), State::Online).open();
        let pattern = Pattern::parse(mail.path()).expect("pattern");
        let store = Store::new(registry.directories());
        store.observe(&[(pattern.clone(), Some(Stuck { since: Some(1) }))]).expect("record");
        mounts.refresh().expect("refresh");
        let refused = refusal(&mounts, mail.path().join("bob"));
        assert!(matches!(refused.cause(), Cause::Presence(Presence::Stuck)), "{refused}");
        store.observe(&[(pattern, None)]).expect("take back");
        mounts.refresh().expect("refresh");
        permitted(&mounts, mail.path().join("bob"));
    });
}

#[test]
fn stuck_child_of_a_wildcard_is_refused_and_its_siblings_go_on() {
    lab!(|lab| {
        let (ann, bob) = (lab.tmpfs("tank/ann"), lab.tmpfs("tank/bob"));
        let registry = Registry::in_lab(lab);
        let mounts = registry.register(lab.path("tank/*"), State::Online).open();
        let pattern = Pattern::literal(bob.path()).expect("pattern");
        let store = Store::new(registry.directories());
        store.observe(&[(pattern.clone(), Some(Stuck { since: None }))]).expect("record");
        mounts.refresh().expect("refresh");
        let refused = refusal(&mounts, bob.path().join("x"));
        assert!(matches!(refused.cause(), Cause::Presence(Presence::Stuck)), "{refused}");
        permitted(&mounts, ann.path().join("x"));
        store.observe(&[(pattern, None)]).expect("take back");
        mounts.refresh().expect("refresh");
        permitted(&mounts, bob.path().join("x"));
    });
}

#[test]
fn lost_registry_refuses_where_one_is_required_and_permits_where_not() {
    lab!(|lab| {
        let registry = Registry::in_lab(lab);
        permitted(&registry.open(), lab.path("srv/mail"));
        let error =
            Mounts::open(&registry.directories(), WhenMissing::Refuse).err().expect("no registry at all");
        assert_eq!(error.kind(), ErrorKind::DamagedRegistry);
        registry.register(lab.path("srv/mail"), State::Online);
        let forget = |list: &mut Document| list.forget(&Pattern::parse(&lab.path("srv/mail"))?);
        Store::new(registry.directories()).update(forget).expect("remove");
        Mounts::open(&registry.directories(), WhenMissing::Refuse)
            .expect("an empty registry is one on purpose");
    });
}

/// Of a long registry only the beginning is read before somebody asks.
#[test]
fn damage_in_the_middle_of_a_long_registry_refuses_every_path() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let registry = Registry::of_mounts(lab, &[&mail]);
        for number in 0..3000 {
            registry.register(lab.path(format!("srv/tenant/{number}")), State::Online);
        }
        permitted(&registry.open(), mail.path().join("bob"));
        let file = registry.run.join("mounts");
        let text = std::fs::read(&file).expect("the registry");
        let damaged = [&text[..], b"online /srv/a\0b\n"].concat();
        std::fs::write(&file, damaged).expect("damage it");
        let mounts = registry.open();
        let refused = refusal(&mounts, mail.path().join("bob"));
        assert!(matches!(refused.cause(), Cause::Registry(_)), "{refused}");
        assert!(matches!(mounts.presence(mail.path()), Presence::Unknown(_)));
        assert!(matches!(mounts.examine(mail.path()).presence, Presence::Unknown(_)));
    });
}

/// An overlay's lists all its layers, blanks as four bytes each; the kernel has no answer when they don't fit.
#[test]
fn filesystem_with_options_of_any_length_is_described() {
    lab!(|lab| {
        let lower = lab.dir([" ".repeat(250).as_str(); 14].join("/"));
        let options = format!("lowerdir={}:{}", lower.display(), lab.dir("other").display());
        let mail = lab.dir("srv/mail");
        let overlay = Some("overlay");
        nix::mount::mount(overlay, &mail, overlay, MsFlags::empty(), Some(options.as_str()))
            .expect("overlay");
        let mounts = Registry::in_lab(lab).register(&mail, State::Online).open();
        let filesystem = mounts.examine(&mail).filesystem.expect("mounted");
        assert_eq!(filesystem.fs_type, b"overlay");
        permitted(&mounts, mail.join("bob"));
    });
}

#[test]
fn every_path_that_cannot_be_judged_is_refused() {
    lab!(|lab| {
        let mounts = Registry::in_lab(lab).register(lab.dir("srv/mail"), State::Online).open();
        for path in ["", "mail/bob", "/a\0b"] {
            assert!(matches!(refusal(&mounts, path).cause(), Cause::Path(_)), "{path:?}");
        }
    });
}

#[test]
fn mountpoint_registered_by_the_name_of_a_symlink_is_judged_where_that_leads() {
    lab!(|lab| {
        let data = lab.tmpfs("data/mail");
        lab.dir("srv");
        symlink(data.path(), lab.path("srv/mail")).expect("a symlink");
        let mounts = Registry::in_lab(lab).register(lab.path("srv/mail"), State::Online).open();
        permitted(&mounts, lab.path("srv/mail/bob"));
        data.take_away();
        assert!(is_absent(&refusal(&mounts, lab.path("srv/mail/bob"))));
    });
}

/// As after `mv /srv /data/srv; ln -s /data/srv /srv`: what was registered is still called by its old name.
#[test]
fn parent_that_became_a_symlink_changes_nothing_for_the_mountpoint_below() {
    lab!(|lab| {
        let mail = lab.tmpfs("data/srv/mail");
        symlink(lab.path("data/srv"), lab.path("srv")).expect("a symlink");
        let registry = Registry::in_lab(lab);
        let mounts = registry.register(lab.path("srv/mail"), State::Online).open();
        for path in ["srv/mail/bob", "srv/./mail/new/mailboxes", "data/../srv/mail"] {
            permitted(&mounts, lab.path(path));
            mail.take_away();
            let refused = refusal(&mounts, lab.path(path));
            assert!(is_absent(&refused), "{refused}");
            assert_eq!(refused.mountpoint(), Some(&*lab.path("srv/mail")));
            mail.bring_back();
        }
        registry.register(lab.path("srv/mail"), State::Offline);
        assert!(matches!(refusal(&registry.open(), lab.path("srv/mail/bob")).cause(), Cause::State(_)));
    });
}

/// The deeper one is still reached, by another symlink: that says nothing of the one above, as it would without them.
#[test]
fn symlink_that_leads_elsewhere_now_takes_no_evidence_from_what_lies_below() {
    lab!(|lab| {
        let (srv, mail) = (lab.tmpfs("here/srv"), lab.tmpfs("here/srv/mail"));
        let registry = Registry::of_mounts(lab, &[&srv, &mail]);
        let mounts = registry.open();
        permitted(&mounts, lab.path("here/srv/mail/bob"));
        fs::rename(lab.path("here"), lab.path("there")).expect("rename the directory above");
        symlink(lab.dir("bare"), lab.dir("here").join("srv")).expect("a symlink in its place");
        symlink(lab.path("there/srv/mail"), lab.path("bare/mail")).expect("a symlink to the same mount");
        let refused = refusal(&mounts, lab.path("here/srv/mail/bob"));
        assert_eq!(refused.mountpoint(), Some(&*lab.path("here/srv")), "{refused}");
    });
}

/// The same mount, but what has the name is a directory in it.
#[test]
fn directory_in_place_of_a_symlink_to_the_mount_it_lies_in_is_no_mountpoint() {
    lab!(|lab| {
        let srv = lab.tmpfs("srv");
        symlink(".", srv.path().join("mail")).expect("a symlink");
        let mounts = Registry::in_lab(lab).register(srv.path().join("mail"), State::Online).open();
        permitted(&mounts, srv.path().join("mail/bob"));
        fs::remove_file(srv.path().join("mail")).expect("remove the symlink");
        lab.dir("srv/mail/bob");
        assert!(is_absent(&refusal(&mounts, srv.path().join("mail/bob"))));
    });
}

#[test]
fn remedy_for_a_child_of_a_wildcard_speaks_of_what_is_registered() {
    lab!(|lab| {
        let tank = lab.dir("tank/mail");
        let registry = Registry::in_lab(lab);
        registry.register(tank.join("*"), State::Offline);
        let refused = refusal(&registry.open(), tank.join("bob/Maildir"));
        assert!(refused.remedy().ends_with(&format!("state {:?} online", tank.join("*"))), "{refused}");
    });
}

#[test]
fn recorded_table_is_judged_without_a_look_at_live_symlinks() {
    lab!(|lab| {
        let elsewhere = lab.dir("elsewhere");
        lab.dir("srv");
        symlink(&elsewhere, lab.path("srv/mail")).expect("a live symlink");
        let registry = Registry::in_lab(lab);
        registry.register(lab.path("srv/mail"), State::Online).register(&elsewhere, State::Online);
        let table = format!(
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / {} rw - ext4 /dev/sdb1 rw\n",
            lab.path("srv/mail").display()
        );
        let directories =
            mount_core::Directories { state: registry.state.clone(), run: registry.run.clone() };
        let table = mount_core::table::MountTable::parse(table.as_bytes()).expect("a mount table");
        let mounts = Mounts::open_recorded(&directories, WhenMissing::Refuse, table).expect("open");
        permitted(&mounts, lab.path("srv/mail/bob"));
        assert!(is_absent(&refusal(&mounts, elsewhere.join("bob"))));
    });
}
