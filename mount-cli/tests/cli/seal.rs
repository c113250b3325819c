//! `audit --fix`: afterwards nobody creates anything in a bare directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use fixtures::dovecot::{Config, Dovecot, Format, Role, Store, underneath};
use fixtures::lab;
use fixtures::lab::{Lab, Mount};

use crate::support::{Guard, text};

const NOBODY: u32 = 65534;

/// A directory that is open to everybody.
fn open_directory(path: &Path) {
    fs::create_dir_all(path).expect("create a bare directory");
    fs::set_permissions(path, Permissions::from_mode(0o777)).expect("open it to all");
    chown(path, Some(NOBODY), Some(NOBODY)).expect("give it to the mail user");
}

/// A filesystem of each kind, which the bare directories lie in and which are mounted over them.
fn kinds(lab: &Lab) -> Vec<(Mount, Mount)> {
    type Make = fn(&Lab, String) -> Mount;
    let makers: [(&str, Make); 4] = [
        ("ext4", |lab, at| lab.ext4(at)),
        ("xfs", |lab, at| lab.xfs(at)),
        ("btrfs", |lab, at| lab.btrfs(at, &[])),
        ("overlay", |lab, at| lab.overlay(at)),
    ];
    let pair = |(name, make): &(&str, Make)| {
        let outer = make(lab, (*name).to_owned());
        open_directory(&outer.path().join("mail"));
        let inner = make(lab, format!("{name}/mail"));
        (outer, inner)
    };
    makers.iter().map(pair).collect()
}

fn creates(user: u32, path: &Path) -> bool {
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
    command.arg("mkdir").arg(path.join("stray")).stderr(std::process::Stdio::null());
    command.status().expect("run setpriv (package util-linux)").success()
}

#[test]
#[ignore = "needs root: loop devices"]
fn sealed_directory_takes_nothing_on_any_filesystem_and_what_is_mounted_is_not_touched() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let kinds = kinds(lab);
        for (_, inner) in &kinds {
            fs::set_permissions(inner.path(), Permissions::from_mode(0o751)).expect("a mode of its own");
            chown(inner.path(), Some(NOBODY), Some(NOBODY)).expect("an owner of its own");
            guard.add(inner.path());
        }
        let outcome = guard.run(&["audit", "--fix", "--yes"]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        for (outer, inner) in &kinds {
            let what = format!("underneath {:?}: chown root:root, chmod 0555", inner.path());
            assert!(outcome.err.contains(&what), "{outcome:?}");
            let mounted = fs::metadata(inner.path()).expect("the mounted root");
            assert_eq!((mounted.mode() & 0o7777, mounted.uid()), (0o751, NOBODY), "{:?}", inner.path());
            inner.take_away();
            let bare = fs::metadata(inner.path()).expect("the bare directory");
            assert_eq!((bare.mode() & 0o7777, bare.uid(), bare.gid()), (0o555, 0, 0), "{:?}", inner.path());
            assert!(!creates(NOBODY, inner.path()), "{:?}", inner.path());
            assert!(!creates(0, inner.path()), "immutable: {:?}", outer.path());
            inner.bring_back();
        }
        guard.run(&["audit", "--fix"]).succeeds(&["nothing to do"]);
    });
}

#[test]
#[ignore = "needs root: another user"]
fn nothing_is_changed_unless_somebody_agrees() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let bare = lab.path("mail");
        open_directory(&bare);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        guard.run(&["audit", "--fix"]).fails(64, &["chmod 0555", "nothing was changed", "--yes"]);
        mail.take_away();
        assert_eq!(fs::metadata(&bare).expect("the bare directory").mode() & 0o7777, 0o777);
        guard.run(&["audit", "--fix", "--rescue", "/media"]).fails(64, &["rescue first"]);
    });
}

#[test]
#[ignore = "needs root: another user"]
fn directories_that_lie_underneath_are_out_of_reach() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let bob = lab.path("mail/bob");
        open_directory(&bob);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        guard.must(&["audit", "--fix", "--yes"]);
        mail.take_away();
        assert!(!creates(NOBODY, &bob));
        assert!(bob.exists(), "root still gets there");
    });
}

#[test]
#[ignore = "needs root: another user"]
fn directory_that_is_mounted_on_itself_is_left_alone() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        open_directory(&lab.path("mail"));
        let mail = lab.bind("mail", "mail");
        guard.add(mail.path());
        guard.run(&["audit", "--fix", "--yes"]).fails(65, &["mounted on itself"]);
        assert_eq!(fs::metadata(mail.path()).expect("a directory").mode() & 0o7777, 0o777);
    });
}

#[test]
#[ignore = "needs root: Dovecot becomes the mail user"]
fn stock_dovecot_creates_nothing_in_a_sealed_directory() {
    for format in Format::ALL {
        lab!(format.name(), |lab| {
            let guard = Guard::new(lab);
            let store = Store::new(format, lab.path("srv"));
            store.create().expect("bare directories that are open to all");
            let roles: Vec<Role> =
                format.roles().iter().copied().filter(|role| *role != Role::Home).collect();
            let mounts: Vec<Mount> = roles.iter().map(|role| lab.tmpfs(store.mountpoint(*role))).collect();
            for mount in &mounts {
                guard.must(&["add", text(mount.path())]);
            }
            let dovecot = Dovecot::start(&Config::new(store)).expect("dovecot starts");
            guard.must(&["audit", "--fix", "--yes"]);
            for mount in &mounts {
                mount.take_away();
            }
            let message = b"Message-ID: <1@example>\r\n\r\nHello\r\n";
            let replies = dovecot.lmtp().and_then(|mut lmtp| lmtp.deliver(&["bob"], message));
            assert!(
                replies.is_ok_and(|replies| !replies[0].accepted()),
                "accepted, though there is no place"
            );
            if let Ok(mut imap) = dovecot.imap("bob") {
                let _ = imap.command("CREATE Archive");
                let _ = imap.append("INBOX", &[], message);
            }
            // What is closed last can do the most harm.
            drop(dovecot);
            for mount in &mounts {
                assert_eq!(underneath(mount.path()).expect("look"), [] as [std::path::PathBuf; 0]);
            }
        });
    }
}
