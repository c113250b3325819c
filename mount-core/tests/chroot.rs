//! Judging from inside of a chroot, by what was opened before.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::Opened;
use fixtures::lab;
use fixtures::lab::{Answer, Asker, Call, Lab};
use fixtures::registry::Registry;
use mount_core::discovery::{Buttons, Usage};
use mount_core::registry::Document;
use mount_core::table::MountTable;
use mount_core::{Attributes, Cause, ErrorKind, Mounts, Operation, Outside, Presence, Refusal, WhenMissing};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, chdir, chroot, setresuid};

const CHROOT: &str = "srv/mail/bob";

/// What goes on outside meanwhile, in the order in which the one inside asks for it.
type Steps<'s> = &'s [&'s dyn Fn()];

/// Runs `work` in a thread that has a root directory of its own, with a way to have the next step taken outside.
fn inside(lab: &Lab, registry: &Registry, steps: Steps<'_>, work: impl FnOnce(&Mounts, &dyn Fn()) + Send) {
    let (root, directories) = (lab.path(CHROOT), registry.directories());
    let (ask, asked) = channel();
    let (take, taken) = channel();
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            unshare(CloneFlags::CLONE_FS).expect("a root directory of its own");
            let outside = Outside::open().expect("the outside");
            chroot(&root).expect("chroot");
            chdir("/").expect("chdir");
            let mounts = Mounts::open_in_chroot(&directories, WhenMissing::Refuse, &outside, &root);
            let next = || {
                ask.send(()).expect("ask for a step");
                taken.recv().expect("the step is taken");
                mounts.as_ref().expect("the registry").refresh().expect("the registry");
            };
            work(mounts.as_ref().expect("the registry"), &next);
        });
        for step in steps {
            asked.recv().expect("it is asked for");
            step();
            take.send(()).expect("tell that it is taken");
        }
        thread.join().expect("nothing was wrong inside");
    });
}

fn refused(mounts: &Mounts, path: &str) -> Refusal {
    mounts.verdict(Operation::Create, Path::new(path)).expect_err(path)
}

fn permitted(mounts: &Mounts, path: &str) {
    mounts.verdict(Operation::Create, Path::new(path)).expect(path);
    mounts.authorize(Operation::Create, &[Path::new(path)]).expect(path).verify().expect(path);
}

#[test]
fn mountpoints_have_their_names_outside_and_paths_theirs_inside() {
    lab!(|lab| {
        let [above, at, below] = ["srv", CHROOT, "srv/mail/bob/mail"].map(|path| lab.tmpfs(path));
        let registry = Registry::of_mounts(lab, &[&above, &at, &below]);
        let not_mounted = lab.dir("srv/mail/bob/index");
        registry.register(&not_mounted, "online");
        // Inside this is the name of nothing.
        registry.register("/archive", "offline");
        inside(lab, &registry, &[&|| below.take_away_lazily(), &|| below.bring_back()], |mounts, next| {
            for _ in 0..2 {
                permitted(mounts, "/mail/x");
                permitted(mounts, "/archive");
                assert_eq!(refused(mounts, "/index").mountpoint(), Some(not_mounted.as_path()));
            }
            next();
            let refusal = refused(mounts, "/mail/x");
            assert_eq!(refusal.mountpoint(), Some(below.path()));
            assert_eq!(refusal.path(), Path::new("/mail/x"));
            permitted(mounts, "/archive");
            next();
            permitted(mounts, "/mail/x");
            assert_eq!(mounts.presence(below.path()), Presence::Mounted);
            assert_eq!(mounts.presence(&not_mounted), Presence::NotMounted);
            let epoch = mounts.epoch();
            mounts.refresh().expect("the registry");
            assert_eq!(mounts.epoch(), epoch, "nothing has changed");
        });
    });
}

#[test]
fn symlinks_lead_to_where_the_kernel_follows_them_inside() {
    lab!(|lab| {
        let jail = lab.dir(CHROOT);
        let mail = lab.tmpfs("srv/mail/bob/mail");
        let registry = Registry::of_mounts(lab, &[&mail]);
        registry.register(lab.dir("away"), "online");
        registry.register(lab.dir("srv/mail/bob/media/away"), "offline");
        symlink("/mail", jail.join("absolute")).expect("a symlink");
        symlink("../../../../../mail", jail.join("relative")).expect("a symlink");
        // By its name outside this one would lead into what is away.
        symlink(lab.path("away"), jail.join("named-alike")).expect("a symlink");
        inside(lab, &registry, &[&|| mail.take_away()], |mounts, next| {
            for path in ["/absolute/x", "/relative/x", "/../mail/x", "/absolute/../mail"] {
                permitted(mounts, path);
                let real = mounts.resolve(Path::new(path)).expect(path).path;
                assert!(real.starts_with(mail.path()), "{path}: {real:?}");
            }
            let alike = refused(mounts, "/named-alike");
            assert!(matches!(alike.cause(), Cause::State(_)), "{alike}");
            next();
            for path in ["/absolute/x", "/relative/x", "/../mail/x"] {
                assert_eq!(refused(mounts, path).mountpoint(), Some(mail.path()));
            }
        });
    });
}

/// In the mount that has the symlink, and in the bare directory, which leads nowhere.
#[test]
fn symlink_is_followed_where_its_own_filesystem_is_mounted_only() {
    lab!(|lab| {
        let [links, mail] = ["srv/mail/bob/links", "srv/mail/bob/mail"].map(|path| lab.tmpfs(path));
        symlink("/mail", links.path().join("mail")).expect("a symlink");
        links.take_away();
        symlink("/mail", links.path().join("mail")).expect("a symlink");
        links.bring_back();
        let registry = Registry::of_mounts(lab, &[&links, &mail]);
        inside(lab, &registry, &[&|| links.take_away()], |mounts, next| {
            permitted(mounts, "/links/mail/x");
            next();
            permitted(mounts, "/mail/x");
            assert_eq!(refused(mounts, "/links/mail/x").mountpoint(), Some(links.path()));
        });
    });
}

#[test]
fn symlink_to_the_root_counts_as_well() {
    lab!(|lab| {
        let away = lab.dir("srv");
        lab.dir("srv/mail");
        symlink(lab.dir("store"), lab.path(CHROOT)).expect("a symlink");
        let mail = lab.tmpfs("store/mail");
        let registry = Registry::in_lab(lab);
        let named = lab.path(CHROOT).join("mail");
        registry.register(&named, "online");
        let register = || {
            registry.register(&away, "online");
        };
        let steps: Steps<'_> = &[&|| mail.take_away(), &|| mail.bring_back(), &register];
        inside(lab, &registry, steps, |mounts, next| {
            permitted(mounts, "/mail/x");
            next();
            assert_eq!(refused(mounts, "/mail/x").mountpoint(), Some(named.as_path()));
            next();
            permitted(mounts, "/mail/x");
            next();
            assert_eq!(refused(mounts, "/mail/x").mountpoint(), Some(away.as_path()));
        });
    });
}

/// Whoever is inside of what was detached sees nothing of what is mounted again.
#[test]
fn root_that_was_detached_or_covered_is_refused_for_good() {
    for place in ["srv", CHROOT] {
        lab!(place, |lab| {
            let filesystem = lab.tmpfs(place);
            lab.dir(CHROOT);
            let registry = Registry::of_mounts(lab, &[&filesystem]);
            let steps: Steps<'_> = &[&|| filesystem.take_away_lazily(), &|| filesystem.bring_back()];
            inside(lab, &registry, steps, |mounts, next| {
                permitted(mounts, "/mail");
                let permit = mounts.authorize(Operation::Create, &[Path::new("/mail")]).expect("mounted");
                next();
                assert_eq!(refused(mounts, "/mail").mountpoint(), Some(filesystem.path()));
                next();
                let refusal = refused(mounts, "/mail");
                assert!(matches!(refusal.cause(), Cause::Displaced(_)), "{refusal}");
                permit.verify().expect_err("it was given before");
                mounts.authorize(Operation::Open, &[Path::new("/mail")]).err().expect("refused as well");
                mounts.resolve(Path::new("/mail")).expect_err("nobody knows where that is");
            });
            filesystem.take_away();
            lab.dir(CHROOT);
            inside(lab, &registry, &[&|| filesystem.bring_back()], |mounts, next| {
                assert_eq!(refused(mounts, "/mail").mountpoint(), Some(filesystem.path()));
                next();
                let refusal = refused(mounts, "/mail");
                assert!(matches!(refusal.cause(), Cause::Displaced(_)), "{refusal}");
            });
        });
    }
}

/// The mount that the permit holds is where it was, but no longer inside.
#[test]
fn permit_is_not_confirmed_once_the_root_is_another() {
    lab!(|lab| {
        let chroot = lab.tmpfs(CHROOT);
        let mail = lab.tmpfs("srv/mail/bob/mail");
        let registry = Registry::of_mounts(lab, &[&mail]);
        let replace = || {
            lab.move_mount(mail.path(), "aside");
            chroot.take_away_lazily();
            chroot.bring_back();
            lab.move_mount("aside", mail.path());
        };
        inside(lab, &registry, &[&replace], |mounts, next| {
            let permit = mounts.authorize(Operation::Create, &[Path::new("/mail")]).expect("mounted");
            permit.verify().expect("still mounted");
            next();
            permit.verify().expect_err("what was done went into a bare directory");
            refused(mounts, "/mail");
        });
    });
}

/// What a process says that is locked into the chroot, and is nobody if told so, within a moment.
fn ask(lab: &Lab, registry: &Registry, user: Option<Uid>, question: fn(&Mounts) -> bool) -> Answer {
    let outside = Outside::open().expect("the outside");
    let root = lab.path(CHROOT);
    lab.ask(&Asker::Chroot(root.clone()), Duration::from_secs(5), || {
        user.into_iter().for_each(|user| setresuid(user, user, user).expect("setresuid"));
        let mounts = Mounts::open_in_chroot(&registry.directories(), WhenMissing::Refuse, &outside, &root);
        vec![u8::from(question(&mounts.expect("the registry")))]
    })
}

/// Root changed the root directory; the process has become a user who could not get there.
#[test]
#[ignore = "needs root: another user"]
fn chroot_in_a_directory_that_is_closed_to_the_user_is_judged_by_the_mount_table() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail/bob/mail");
        let registry = Registry::of_mounts(lab, &[&mail]);
        fs::set_permissions(lab.path("srv"), Permissions::from_mode(0o700)).expect("chmod");
        let may = |mounts: &Mounts| {
            let permit = mounts.authorize(Operation::Create, &[Path::new("/mail/x")]);
            mounts.verdict(Operation::Create, Path::new("/mail/x")).is_ok()
                && permit.is_ok_and(|permit| permit.verify().is_ok())
        };
        let nobody = Some(Uid::from_raw(65534));
        assert_eq!(ask(lab, &registry, nobody, may), Answer::Said(vec![1]));
        mail.take_away();
        assert_eq!(ask(lab, &registry, nobody, may), Answer::Said(vec![0]));
    });
}

#[test]
#[ignore = "needs root: FUSE"]
fn filesystem_inside_that_does_not_answer_is_not_asked() {
    lab!(|lab| {
        lab.fuse_hung("srv/mail/bob/mail");
        let registry = Registry::in_lab(lab);
        registry.register(lab.path("srv/mail/bob/mail"), "online");
        let may = |mounts: &Mounts| mounts.verdict(Operation::Create, Path::new("/mail/new")).is_ok();
        assert_eq!(ask(lab, &registry, None, may), Answer::Said(vec![1]));
    });
}

#[test]
fn nothing_registered_is_permitted_wherever_the_root_is() {
    lab!(|lab| {
        let filesystem = lab.tmpfs(CHROOT);
        let registry = Registry::in_lab(lab);
        let list = registry.state.join("mounts");
        fs::write(&list, "# mountguard 1 generation=1\n").expect("a registry");
        let register = || {
            registry.register(filesystem.path(), "online");
        };
        inside(lab, &registry, &[&|| filesystem.take_away_lazily(), &register], |mounts, next| {
            permitted(mounts, "/mail");
            next();
            permitted(mounts, "/mail");
            next();
            refused(mounts, "/mail");
        });
    });
}

/// By a symlink that begins with `/` on the way, as `/var/run` may be one.
#[test]
fn registry_is_read_by_its_name_outside() {
    lab!(|lab| {
        lab.dir("srv/mail/bob/media/registry");
        let mail = lab.tmpfs("srv/mail/bob/mail");
        let named = Registry::of_mounts(lab, &[&mail]);
        symlink(lab.path("registry"), lab.path("link")).expect("a symlink");
        let linked = Registry { state: lab.path("link/state"), run: lab.path("link/run") };
        let set_offline = || {
            named.register(mail.path(), "offline");
        };
        let forget_runtime = || fs::remove_file(named.run.join("mounts")).expect("the runtime file goes");
        inside(lab, &linked, &[&set_offline, &forget_runtime], |mounts, next| {
            permitted(mounts, "/mail");
            next();
            refused(mounts, "/mail");
            next();
            refused(mounts, "/mail");
        });
        fs::rename(lab.path("registry/state"), lab.path("registry/before")).expect("the registry goes");
        let root = lab.path(CHROOT);
        let outside = Outside::open().expect("the outside");
        let lost = Mounts::open_in_chroot(&linked.directories(), WhenMissing::Refuse, &outside, &root);
        assert_eq!(lost.err().expect("it is lost").kind(), ErrorKind::DamagedRegistry);
    });
}

#[test]
fn use_of_a_store_is_told_by_its_name_outside() {
    lab!(|lab| {
        let mail = lab.dir("srv/mail/bob/mail");
        let registry = Registry::in_lab(lab);
        registry.register("/elsewhere", "online");
        // Nothing of the laboratory would do: it lies where removable media are mounted.
        let table = MountTable::parse(b"1 0 8:1 / /archive rw - ext4 /dev/sda1 rw\n").expect("a mount table");
        let buttons = Buttons::new(&registry.run);
        let document = Document::parse(b"# mountguard 1 generation=1\n").expect("a registry");
        buttons.lay_out(&table, &document).expect("lay out");
        inside(lab, &registry, &[], |mounts, _| {
            let path = Path::new("/mail");
            assert_eq!(mounts.resolve(path).expect("it is there").path, mail);
            assert_eq!(mounts.outer_path(path), mail);
            Usage::of(mounts).expect("the buttons").tell(Path::new("/archive/bob"));
        });
        assert_eq!(buttons.pressed(&table), [Path::new("/archive")]);
    });
}

#[test]
fn directories_are_created_by_their_names_inside() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail/bob/mail");
        let registry = Registry::of_mounts(lab, &[&mail]);
        inside(lab, &registry, &[], |mounts, _| {
            for path in ["/mail/a/b", "/elsewhere/a"].map(Path::new) {
                let permit = mounts.authorize(Operation::Create, &[path]).expect("mounted");
                permit.create_dir_all(path, &Attributes::mode(0o700)).expect("created");
            }
        });
        assert!(mail.path().join("a/b").is_dir() && lab.path(CHROOT).join("elsewhere/a").is_dir());
    });
}

#[test]
fn kernel_before_6_8_will_do_and_one_before_5_8_says_so() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail/bob/mail");
        let registry = Registry::of_mounts(lab, &[&mail]);
        lab.without(Call::MISSING_BEFORE_6_8);
        inside(lab, &registry, &[&|| mail.take_away()], |mounts, next| {
            permitted(mounts, "/mail");
            next();
            refused(mounts, "/mail");
        });
        lab.without(&[Call::StatxMountId]);
        let outside = Outside::open().expect("the outside");
        let root = lab.path(CHROOT);
        let opened = Mounts::open_in_chroot(&registry.directories(), WhenMissing::Refuse, &outside, &root);
        assert!(opened.err().expect("it cannot be told").to_string().contains("5.8"));
    });
}
