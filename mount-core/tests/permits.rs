//! Permits: what they hold, what is created through them, and where it ends up.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{Opened, names_in};
use fixtures::lab;
use fixtures::lab::{Call, Lab};
use fixtures::registry::Registry;
use mount_core::{
    Attributes, Cause, ErrorKind, Method, Mounts, Operation, Permit, Presence, State, WhenMissing,
};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

fn umount(path: &Path) -> Result<(), Errno> {
    nix::mount::umount(path)
}

#[test]
fn plain_unmount_is_busy_during_a_rebuild_and_works_right_after() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = Registry::in_lab(lab).register(mail.path(), State::Online).open();
        let during = mounts
            .guarded(Operation::Rebuild, &[&mail.path().join("bob")], |_permit| umount(mail.path()))
            .expect("mounted before and after");
        assert_eq!(during, Err(Errno::EBUSY));
        assert_eq!(umount(mail.path()), Ok(()));
    });
}

#[test]
fn existing_directory_that_was_asked_for_keeps_its_mount_and_those_above_busy() {
    lab!(|lab| {
        let (mail, bob) = (lab.tmpfs("srv/mail"), lab.tmpfs("srv/mail/bob"));
        let registry = Registry::in_lab(lab);
        registry.register(mail.path(), State::Online).register(bob.path(), State::Online);
        let inbox = bob.path().join("mailboxes/INBOX");
        fs::create_dir_all(&inbox).expect("an existing mailbox");
        let permit = registry.open().authorize(Operation::Rebuild, &[&inbox]).expect("mounted");
        assert_eq!((umount(bob.path()), umount(mail.path())), (Err(Errno::EBUSY), Err(Errno::EBUSY)));
        permit.verify().expect("both are still there");
        drop(permit);
        assert_eq!((umount(bob.path()), umount(mail.path())), (Ok(()), Ok(())));
    });
}

#[test]
fn mountpoint_above_the_one_that_is_held_is_verified_too() {
    lab!(|lab| {
        let (mail, bob) = (lab.tmpfs("srv/mail"), lab.tmpfs("srv/mail/bob"));
        let registry = Registry::in_lab(lab);
        registry.register(mail.path(), State::Online).register(bob.path(), State::Online);
        let permit = registry.open().authorize(Operation::Create, &[bob.path()]).expect("mounted");
        mail.take_away_lazily();
        let refusal = permit.verify().expect_err("taken away with all that is mounted on it");
        assert!(matches!(refusal.cause(), Cause::Vanished), "{refusal}");
    });
}

#[test]
fn mount_that_a_symlink_lies_in_is_held_too() {
    lab!(|lab| {
        let (home, mail) = (lab.tmpfs("home"), lab.tmpfs("srv/mail"));
        symlink(mail.path(), home.path().join("mail")).expect("a symlink");
        let registry = Registry::in_lab(lab);
        registry.register(home.path(), State::Online).register(mail.path(), State::Online);
        let by_symlink = home.path().join("mail/bob");
        let permit = registry.open().authorize(Operation::Create, &[&by_symlink]).expect("mounted");
        assert_eq!((umount(home.path()), umount(mail.path())), (Err(Errno::EBUSY), Err(Errno::EBUSY)));
        permit.create_dir_all(&by_symlink, &Attributes::mode(0o700)).expect("create");
        assert!(mail.path().join("bob").is_dir());
    });
}

/// By the name of a symlink, of a child of a wildcard that is one, and by a name that leads through one.
#[test]
fn mount_known_by_a_name_that_a_symlink_leads_elsewhere_is_held_and_verified_where_it_is() {
    for (registered, name) in [("srv/mail", "srv/mail"), ("tank/*", "tank/mail"), ("link/mail", "link/mail")]
    {
        lab!(registered, |lab| {
            // Deeper than what is registered by its own name, whose root must not be taken for the start.
            let (data, mail) = (lab.tmpfs("data"), lab.tmpfs("data/srv/mail"));
            symlink(mail.path(), lab.dir("srv").join("mail")).expect("a symlink");
            symlink(mail.path(), lab.dir("tank").join("mail")).expect("a symlink");
            symlink(data.path().join("srv"), lab.path("link")).expect("a symlink");
            let registry = Registry::in_lab(lab);
            registry.register(data.path(), State::Online).register(lab.path(registered), State::Online);
            let mounts = registry.open();
            let bob = lab.path(name).join("bob/mailboxes");
            let permit = mounts.authorize(Operation::Create, &[&bob]).expect("mounted");
            assert_eq!(umount(mail.path()), Err(Errno::EBUSY));
            permit.create_dir_all(&bob, &Attributes::mode(0o700)).expect("create");
            permit.verify().expect("still there");
            mail.take_away_lazily();
            assert!(matches!(permit.verify().expect_err("gone").cause(), Cause::Vanished));
            permit.create_dir_all(&bob.join("INBOX"), &Attributes::mode(0o700)).expect("on the detached one");
            assert!(names_in(mail.path()).is_empty(), "nothing underneath");
            drop(permit);
            mounts.authorize(Operation::Create, &[&bob]).err().expect("not mounted");
            mail.bring_back();
            assert!(mail.path().join("bob/mailboxes/INBOX").is_dir());
        });
    }
}

#[test]
fn directory_removed_since_it_was_judged_is_an_error_and_not_taken_for_created() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let bob = mail.path().join("bob");
        fs::create_dir(&bob).expect("an existing directory");
        let permit = permit_for(lab, mail.path(), &bob);
        fs::remove_dir(&bob).expect("remove it");
        for path in [&bob, &bob.join("mailboxes")] {
            let error = permit.create_dir_all(path, &Attributes::mode(0o700)).expect_err("it is gone");
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        }
    });
}

#[test]
fn permit_tells_the_epoch_it_was_given_in() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = Registry::in_lab(lab).register(mail.path(), State::Online).open();
        let permit = mounts.authorize(Operation::Create, &[mail.path()]).expect("mounted");
        assert!(permit.is_undisturbed());
        assert_eq!(permit.epoch(), mounts.epoch());
        let _other = lab.tmpfs("media/other");
        assert!(!permit.is_undisturbed());
        assert_ne!(permit.epoch(), mounts.epoch());
        permit.verify().expect("the other is none of its mountpoints");
    });
}

/// With each method, and with the ids of Linux before 6.8: there the same mount id comes again at once.
fn by_each_method(lab_of_each: impl Fn(&Lab, Method) + Copy) {
    for &method in Method::ALL {
        lab!(method.as_str(), |lab| lab_of_each(lab, method));
        lab!(&format!("{method} before Linux 6.8"), |lab| {
            lab.without(Call::MISSING_BEFORE_6_8);
            lab_of_each(lab, if method == Method::UniqueId { Method::MountId } else { method });
        });
    }
}

fn open_with(registry: &Registry, method: Method) -> Mounts {
    Mounts::open_with_method(&registry.directories(), WhenMissing::Refuse, method).expect("open the registry")
}

#[test]
fn what_was_away_since_the_epoch_is_refused_though_it_is_back() {
    by_each_method(|lab, method| {
        let (mail, index) = (lab.tmpfs("srv/mail"), lab.tmpfs("srv/index"));
        let mounts = open_with(&Registry::of_mounts(lab, &[&mail, &index]), method);
        let epoch = mounts.epoch();
        for root in [mail.path(), index.path()] {
            mounts.verdict_since(epoch, Operation::Open, root).expect("mounted");
            mounts.authorize_since(epoch, Operation::Create, &[root]).expect("nothing has happened");
        }
        index.take_away_lazily();
        index.bring_back();
        let refusal = mounts.authorize_since(epoch, Operation::Create, &[index.path()]).err();
        assert!(matches!(refusal.expect("index was away").cause(), Cause::Vanished));
        mounts.authorize(Operation::Create, &[index.path()]).expect("a new epoch");
    });
}

/// Only unique ids tell so; without them whatever has changed counts.
#[test]
fn what_was_there_all_the_time_is_permitted_whatever_else_was_away() {
    lab!(|lab| {
        let (mail, index) = (lab.tmpfs("srv/mail"), lab.tmpfs("srv/index"));
        let mounts = open_with(&Registry::of_mounts(lab, &[&mail, &index]), Method::UniqueId);
        let epoch = mounts.epoch();
        for root in [mail.path(), index.path()] {
            mounts.verdict_since(epoch, Operation::Open, root).expect("mounted");
        }
        index.take_away_lazily();
        index.bring_back();
        mounts.authorize_since(epoch, Operation::Create, &[mail.path()]).expect("mail was there");
    });
}

/// Whatever was asked in between, and however the epoch was out of date at the first look already.
#[test]
fn absence_since_the_epoch_is_not_forgotten_by_another_look() {
    by_each_method(|lab, method| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = open_with(&Registry::of_mounts(lab, &[&mail]), method);
        let epoch = mounts.epoch();
        let _other = lab.tmpfs("media/other");
        mounts.verdict_since(epoch, Operation::Open, mail.path()).expect("mounted");
        mail.take_away_lazily();
        mounts.verdict_since(epoch, Operation::Open, mail.path()).expect_err("away");
        mail.bring_back();
        mounts.verdict_since(epoch, Operation::Open, mail.path()).expect("mounted again");
        let refusal = mounts.authorize_since(epoch, Operation::Create, &[mail.path()]).err();
        assert!(matches!(refusal.expect("it was away").cause(), Cause::Vanished));
        mounts.authorize(Operation::Create, &[mail.path()]).expect("a new epoch");
    });
}

#[test]
fn mount_that_was_away_while_it_was_held_is_not_confirmed_though_it_is_back() {
    by_each_method(|lab, method| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = open_with(&Registry::of_mounts(lab, &[&mail]), method);
        let permit = mounts.authorize(Operation::Create, &[mail.path()]).expect("mounted");
        permit.verify().expect("nothing has happened");
        mail.take_away_lazily();
        mail.bring_back();
        assert!(matches!(permit.verify().expect_err("it was away").cause(), Cause::Vanished));
    });
}

#[test]
fn renamed_directory_above_a_mountpoint_disturbs_no_mount_table_but_is_verified() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let permit = permit_for(lab, mail.path(), mail.path());
        fs::rename(lab.path("srv"), lab.path("elsewhere")).expect("rename the directory above");
        assert!(permit.is_undisturbed());
        assert!(matches!(permit.verify().expect_err("not there").cause(), Cause::Vanished));
        fs::rename(lab.path("elsewhere"), lab.path("srv")).expect("back");
    });
}

#[test]
fn refused_work_is_not_begun() {
    lab!(|lab| {
        let mounts = Registry::in_lab(lab).register(lab.dir("srv/mail"), State::Online).open();
        let mut begun = false;
        let refusal = mounts
            .guarded(Operation::Rebuild, &[&lab.path("srv/mail/bob")], |_permit| begun = true)
            .expect_err("not mounted");
        assert!(matches!(refusal.cause(), Cause::Presence(Presence::NotMounted)), "{refusal}");
        assert!(!begun);
    });
}

#[test]
fn one_refused_path_refuses_all() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let alt = lab.dir("srv/alt");
        let mounts =
            Registry::in_lab(lab).register(mail.path(), State::Online).register(&alt, State::Online).open();
        let refusal = mounts
            .authorize(Operation::Delete, &[&mail.path().join("bob"), &alt.join("bob")])
            .err()
            .expect("alt is not mounted");
        assert_eq!(refusal.mountpoint(), Some(&*alt));
    });
}

#[test]
fn success_is_not_answered_when_the_mount_vanished_meanwhile() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = Registry::in_lab(lab).register(mail.path(), State::Online).open();
        let work = |permit: &Permit| {
            mail.take_away_lazily();
            permit
                .create_dir_all(&mail.path().join("bob"), &Attributes::mode(0o700))
                .expect("on the detached one");
        };
        let refusal = mounts.guarded(Operation::Create, &[mail.path()], work).expect_err("gone meanwhile");
        assert!(matches!(refusal.cause(), Cause::Vanished), "{refusal}");
        assert!(names_in(mail.path()).is_empty(), "nothing underneath");
        mail.bring_back();
        assert!(mail.path().join("bob").is_dir(), "it went to the filesystem it was meant for");
    });
}

#[test]
fn another_filesystem_mounted_meanwhile_is_noticed() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = Registry::in_lab(lab).register(mail.path(), State::Online).open();
        let permit = mounts.authorize(Operation::Create, &[mail.path()]).expect("mounted");
        permit.verify().expect("nothing has happened");
        let _cover = lab.tmpfs("srv/mail");
        assert!(matches!(permit.verify().expect_err("covered").cause(), Cause::Vanished));
    });
}

#[test]
fn created_directories_have_the_mode_whatever_the_umask_and_existing_ones_keep_theirs() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        fs::create_dir(mail.path().join("domain")).expect("an existing directory");
        fs::set_permissions(mail.path().join("domain"), fs::Permissions::from_mode(0o711)).expect("chmod");
        let mounts = Registry::in_lab(lab).register(mail.path(), State::Online).open();
        let bob = mail.path().join("domain/bob/mailboxes");
        let permit = mounts.authorize(Operation::Create, &[&bob]).expect("mounted");
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
        permit.create_dir_all(&bob, &Attributes::mode(0o2770)).expect("create");
        permit.create_dir_all(&bob, &Attributes::mode(0o700)).expect("create once more");
        let mode = |path: &Path| fs::metadata(path).expect("stat").mode() & 0o7777;
        assert_eq!(mode(&mail.path().join("domain")), 0o711);
        assert_eq!(mode(&mail.path().join("domain/bob")), 0o2770);
        assert_eq!(mode(&bob), 0o2770);
    });
}

#[test]
#[ignore = "needs root: gives files away"]
fn created_directories_and_files_have_the_owner() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let mounts = Registry::in_lab(lab).register(mail.path(), State::Online).open();
        let (bob, inbox) = (mail.path().join("bob"), mail.path().join("bob/INBOX"));
        let permit = mounts.authorize(Operation::Create, &[&bob]).expect("mounted");
        let owner = |mode| Attributes::mode(mode).owned_by(Uid::from_raw(4711), Gid::from_raw(4712));
        permit.create_dir_all(&bob, &owner(0o750)).expect("create directory");
        assert!(permit.create_file(&inbox, &owner(0o600)).expect("create file").is_some());
        assert!(permit.create_file(&inbox, &owner(0o644)).expect("exists already").is_none());
        for (path, mode) in [(&bob, 0o750), (&inbox, 0o600)] {
            let found = fs::metadata(path).expect("stat");
            assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (4711, 4712, mode), "{path:?}");
        }
    });
}

fn permit_for(lab: &Lab, mountpoint: &Path, path: &Path) -> Permit {
    let mounts = Registry::in_lab(lab).register(mountpoint, State::Online).open();
    mounts.authorize(Operation::Create, &[path]).expect("mounted")
}

#[test]
fn permit_speaks_only_of_what_was_asked() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        lab.dir("srv/mailbox");
        let permit = permit_for(lab, mail.path(), mail.path());
        for path in [lab.path("srv/mailbox/x"), lab.path("srv"), mail.path().join("a/../../etc")] {
            let error = permit.create_dir_all(&path, &Attributes::mode(0o700)).expect_err("never asked for");
            assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        }
    });
}

/// Below what was asked for another mountpoint decides, mounted or not; by a symlink's name as well.
#[test]
fn permit_speaks_of_no_mountpoint_below_what_was_asked() {
    lab!(|lab| {
        let (mail, tank) = (lab.tmpfs("srv/mail"), lab.dir("tank"));
        symlink(mail.path(), lab.path("link")).expect("a symlink");
        let registry = Registry::of_mounts(lab, &[&mail]);
        for (path, state) in [("alt", State::Online), ("scratch", State::Ignore)] {
            registry.register(mail.path().join(path), state);
            lab.dir(mail.path().join(path));
        }
        registry.register(tank.join("*"), State::Online);
        let asked = [mail.path(), &lab.path("link"), &tank];
        let permit = registry.open().authorize(Operation::Create, &asked).expect("mounted");
        let create = |path: &Path| permit.create_dir_all(path, &Attributes::mode(0o700));
        for path in [mail.path().join("alt/bob"), lab.path("link/alt/bob"), tank.join("bob/mailboxes")] {
            let error = create(&path).expect_err("another mountpoint decides");
            assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
            permit.create_file(&path, &Attributes::mode(0o600)).expect_err("nor a file");
        }
        assert!(names_in(&mail.path().join("alt")).is_empty() && names_in(&tank).is_empty());
        create(&mail.path().join("scratch/bob")).expect("what is ignored decides nothing");
    });
}

#[test]
fn symlink_swapped_in_after_the_check_is_not_followed() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let outside = lab.dir("outside");
        let permit = permit_for(lab, mail.path(), mail.path());
        symlink(&outside, mail.path().join("bob")).expect("swap a symlink in");
        permit.create_dir_all(&mail.path().join("bob/x"), &Attributes::mode(0o700)).expect_err("a symlink");
        permit.create_file(&mail.path().join("bob/y"), &Attributes::mode(0o600)).expect_err("a symlink");
        assert!(names_in(&outside).is_empty());
    });
}

#[test]
fn what_is_covered_by_no_registered_mountpoint_is_created_as_anywhere() {
    lab!(|lab| {
        let mounts = Registry::in_lab(lab).register(lab.dir("srv/mail"), State::Online).open();
        let home = lab.path("home/bob/mail");
        let permit = mounts.authorize(Operation::Create, &[&home]).expect("not covered");
        permit.create_dir_all(&home, &Attributes::mode(0o700)).expect("create");
        assert!(home.is_dir());
    });
}

#[test]
#[ignore = "needs root: autofs"]
fn idle_automount_is_triggered_by_a_permit_but_not_by_a_verdict() {
    lab!(|lab| {
        let mail = lab.autofs("srv/mail");
        let mounts = Registry::in_lab(lab).register(mail.path(), State::Online).open();
        let bob = mail.path().join("bob");
        mounts.verdict(Operation::Create, &bob).expect("idle is permitted");
        assert_eq!(mounts.presence(mail.path()), Presence::Idle);
        let permit = mounts.authorize(Operation::Create, &[&bob]).expect("mounts it");
        permit.create_dir_all(&bob, &Attributes::mode(0o700)).expect("create");
        assert_eq!(mounts.presence(mail.path()), Presence::Mounted);
        permit.verify().expect("still there");
    });
}

/// As long as it is idle nobody can see them.
#[test]
#[ignore = "needs root: autofs"]
fn symlinks_behind_an_idle_automount_are_followed_once_a_permit_has_triggered_it() {
    lab!(|lab| {
        let (automount, bare) = (lab.autofs("srv/mail"), lab.dir("srv/bare"));
        automount.trigger();
        symlink(&bare, automount.path().join("bob")).expect("a symlink into a bare directory");
        automount.expire();
        let registry = Registry::in_lab(lab);
        registry.register(automount.path(), State::Online).register(&bare, State::Online);
        let mounts = registry.open();
        let refusal = mounts.authorize(Operation::Create, &[&automount.path().join("bob/mailboxes")]).err();
        assert_eq!(refusal.expect("not mounted").mountpoint(), Some(&*bare));
        let permit = mounts.authorize(Operation::Create, &[&automount.path().join("ann")]).expect("mounted");
        permit.verify().expect("still there");
    });
}

#[test]
#[ignore = "needs root: autofs"]
fn automount_that_the_work_itself_has_triggered_was_never_away() {
    for method in [Method::UniqueId, Method::MountId, Method::ParentChain] {
        lab!(method.as_str(), |lab| {
            let mail = lab.autofs("srv/mail");
            let registry = Registry::in_lab(lab);
            let mounts = open_with(registry.register(mail.path(), State::Online), method);
            let epoch = mounts.epoch();
            mounts.verdict_since(epoch, Operation::Open, mail.path()).expect("idle");
            fs::create_dir(mail.path().join("bob")).expect("trigger it");
            mounts.authorize_since(epoch, Operation::Create, &[mail.path()]).expect("mounted by the work");
        });
    }
}

#[test]
fn nested_unregistered_mount_is_no_obstacle() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let shared = lab.tmpfs("srv/mail/shared");
        let mounts = Registry::in_lab(lab).register(mail.path(), State::Online).open();
        let path = shared.path().join("public");
        let permit = mounts.authorize(Operation::Create, &[&path]).expect("mounted");
        permit.create_dir_all(&path, &Attributes::mode(0o700)).expect("create");
        assert_eq!(names_in(shared.path()), [path]);
    });
}
