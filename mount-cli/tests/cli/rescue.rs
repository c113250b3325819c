//! `audit --rescue`: stray mail comes out from underneath, whole, whatever happens meanwhile.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use fixtures::dovecot::{Config, Dovecot, Format, Store, Truth, underneath};
use fixtures::lab;
use fixtures::lab::{Lab, Mount};
use mount_core::probe::wait_for_any;

use crate::support::{Guard, scale, text};

const BOB: u32 = 5000;

/// Mails of each format underneath a mountpoint, with what else lies there; returns how many there are.
struct Strays {
    bare: PathBuf,
    /// Content of each mail.
    mails: BTreeSet<Vec<u8>>,
}

impl Strays {
    fn deliver(bare: &Path, of_each: u64) -> Strays {
        let mut strays = Strays { bare: bare.to_owned(), mails: BTreeSet::new() };
        for number in 0..of_each {
            strays.put(&format!("maildir/new/17{number:08}.M{number}P1.host"), "");
            strays.put(&format!("maildir/.Archive/cur/17{number:08}.M{number}P2.host:2,S"), "");
            strays.put(&format!("sdbox/mailboxes/INBOX/dbox-Mails/u.{number}"), "");
            strays.put(&format!("mdbox/storage/m.{number}"), "");
            strays.put(&format!("mbox{number}"), "From bob\n");
        }
        for other in ["maildir/dovecot-uidlist", "mdbox/storage/dovecot.map.index"] {
            fs::write(bare.join(other), other).expect("what mail servers keep");
        }
        for other in ["NOT-MOUNTED", "index/dovecot.index.log"] {
            fs::create_dir_all(bare.join("index")).expect("a directory");
            fs::write(bare.join(other), other).expect("what is no mail");
        }
        fs::create_dir_all(bare.join("maildir/tmp")).expect("the third of a Maildir");
        strays
    }

    fn put(&mut self, path: &str, head: &str) {
        let path = self.bare.join(path);
        let parent = path.parent().expect("in a directory");
        fs::create_dir_all(parent).expect("create a directory underneath");
        let mail = format!("{head}Subject: {}\n\n{}\n", path.display(), "x".repeat(self.mails.len() % 977));
        fs::write(&path, &mail).expect("deliver underneath");
        chown(&path, Some(BOB), Some(BOB)).expect("bob's");
        chown(parent, Some(BOB), Some(BOB)).expect("bob's");
        self.mails.insert(mail.into_bytes());
    }

    /// All contents in a directory; files that are not finished don't count.
    fn found_in(directory: &Path) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                found.extend(Self::found_in(&path));
            } else if entry.file_name() != ".mountguard-unfinished" {
                found.push(fs::read(&path).expect("a file"));
            }
        }
        found
    }
}

/// A mountpoint with its filesystem over what was delivered underneath.
fn scene(lab: &Lab, of_each: u64) -> (Guard, Strays, Mount) {
    let guard = Guard::new(lab);
    let bare = lab.dir("mail");
    let strays = Strays::deliver(&bare, of_each);
    let mail = lab.tmpfs("mail");
    fs::write(mail.path().join("visible"), "From here").expect("deliver");
    guard.add(mail.path());
    lab.dir("rescued");
    (guard, strays, mail)
}

#[test]
#[ignore = "needs root: another user"]
fn stray_mail_of_each_format_comes_out_and_the_rest_stays() {
    lab!(|lab| {
        let (guard, strays, mail) = scene(lab, 3);
        assert!(guard.must(&["audit"]).contains("\t6 maildir, 6 dbox, 3 mbox\t"));
        let outcome = guard.run(&["audit", "--rescue", "/media/rescued"]);
        outcome.succeeds(&["2 files are no mail"]);
        let rows: Vec<Vec<&str>> = outcome.out.lines().map(|line| line.split('\t').collect()).collect();
        assert_eq!(
            rows[0],
            [
                "/media/mail/maildir",
                "maildir",
                "6",
                "/media/rescued/media/mail/maildir",
                "doveadm import -u USER maildir:/media/rescued/media/mail/maildir '' all"
            ]
        );
        assert_eq!(rows.len(), 6, "{outcome:?}");
        let left = ["NOT-MOUNTED", "index", "index/dovecot.index.log"].map(PathBuf::from);
        assert_eq!(underneath(mail.path()).expect("look"), left);
        let found: BTreeSet<_> = Strays::found_in(&lab.path("rescued")).into_iter().collect();
        assert!(found.is_superset(&strays.mails));
        assert_eq!(found.len(), strays.mails.len() + 2, "and what belongs to it");
        let one = lab.path("rescued/media/mail/maildir/.Archive/cur");
        let directory = fs::metadata(&one).expect("a directory");
        assert_eq!((directory.uid(), directory.mode() & 0o777), (BOB, 0o755));
        assert!(mail.path().join("visible").exists());
        assert_eq!(guard.must(&["audit", "--rescue", "/media/rescued"]), "", "nothing is left to do");
    });
}

#[test]
#[ignore = "needs root: another user"]
fn each_mail_is_in_one_place_or_in_both_whenever_it_is_killed() {
    lab!(|lab| {
        let of_each = scale(40, 10_000);
        let (guard, strays, mail) = scene(lab, of_each);
        let rescued = lab.path("rescued");
        let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut interrupted = 0;
        while interrupted < scale(25, 200) {
            let mut child = guard
                .command(&["audit", "--rescue", text(&rescued)])
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("begin to rescue");
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let instant = Duration::from_micros((random >> 33) % scale(40_000, 2_000_000));
            let output = child.stdout.take().expect("its output");
            wait_for_any(&[output.as_fd()], Instant::now() + instant);
            child.kill().expect("kill it");
            child.wait().expect("it is dead");
            mail.take_away();
            let mut found: BTreeSet<_> = Strays::found_in(&strays.bare).into_iter().collect();
            let left = strays.mails.intersection(&found).count();
            found.extend(Strays::found_in(&rescued));
            assert!(found.is_superset(&strays.mails), "lost {}", strays.mails.difference(&found).count());
            interrupted += u64::from(0 < left && rescued.join("media").exists());
            if left == 0 {
                fs::remove_dir_all(rescued.join("media")).expect("begin anew");
                Strays::deliver(&strays.bare, of_each);
            }
            mail.bring_back();
        }
        guard.must(&["audit", "--rescue", text(&rescued)]);
        let found = Strays::found_in(&rescued);
        assert_eq!(found.len(), strays.mails.len() + 2, "each once");
        assert!(!underneath(mail.path()).expect("look").iter().any(|path| path.starts_with("maildir")));
    });
}

#[test]
#[ignore = "needs root: another user"]
fn file_of_that_name_with_another_content_is_not_written_over() {
    lab!(|lab| {
        let (guard, _, mail) = scene(lab, 1);
        let there = lab.dir("rescued/media/mail").join("mbox0");
        fs::write(&there, "From somebody else").expect("write");
        guard.run(&["audit", "--rescue", "/media/rescued"]).fails(65, &["mbox0", "another content"]);
        assert_eq!(fs::read_to_string(&there).expect("read"), "From somebody else");
        assert!(underneath(mail.path()).expect("look").contains(&PathBuf::from("mbox0")));
        guard.run(&["audit", "--rescue", "/media/nowhere"]).fails(65, &["nowhere"]);
    });
}

#[test]
#[ignore = "needs root: Dovecot becomes the mail user"]
fn command_that_is_printed_delivers_the_mails_again() {
    for format in Format::ALL {
        lab!(format.name(), |lab| {
            let guard = Guard::new(lab);
            let store = Store::new(format, lab.path("srv"));
            let dovecot = Dovecot::start(&Config::new(store)).expect("dovecot starts");
            for number in 0..3 {
                let message = format!("Message-ID: <{number}@example>\r\n\r\nHello\r\n");
                let replies =
                    dovecot.lmtp().expect("LMTP").deliver(&["bob"], message.as_bytes()).expect("LMTP");
                assert!(replies[0].accepted(), "underneath, as there is nothing mounted yet");
            }
            let store = dovecot.store();
            let mounts: Vec<Mount> =
                format.roles().iter().map(|role| lab.tmpfs(store.mountpoint(*role))).collect();
            for mount in &mounts {
                guard.must(&["add", text(mount.path())]);
                fs::set_permissions(mount.path(), Permissions::from_mode(0o777)).expect("open it to bob");
            }
            lab.dir("rescued");
            let out = guard.must(&["audit", "--rescue", "/media/rescued"]);
            let commands = out.lines().filter_map(|line| line.rsplit('\t').next());
            let commands: Vec<&str> = commands.flat_map(|command| command.split(" && ")).collect();
            assert!(!commands.is_empty(), "{format:?}");
            for command in commands {
                let words = command.split(' ').skip(1).map(|word| word.trim_matches('\''));
                let arguments: Vec<&str> = words.collect();
                let outcome = dovecot.doveadm(&arguments).expect("doveadm");
                assert!(outcome.status.success(), "{format:?} {command} {outcome:?}");
            }
            let truth = Truth::of(&dovecot, "bob").expect("everything can be read");
            for number in 0..3 {
                assert!(truth.has(&format!("<{number}@example>")), "{format:?} {out} {truth:?}");
            }
        });
    }
}
