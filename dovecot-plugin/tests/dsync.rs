//! dsync takes what it does not find for deleted. So with a filesystem of either side away it does nothing at all,
//! in no direction, and says that it is to be tried again.

mod support;

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use fixtures::dovecot::{Config, Dovecot, Format, Role, Store, Truth, losses, underneath};
use fixtures::lab;
use fixtures::lab::{Lab, Mount};
use support::{Guard, Site, fill, message};

const MAIL_USER: u32 = 5000;

/// Two guarded servers, each with a store of its own and with mail that the other has not.
struct Pair {
    here: Site,
    there: Dovecot,
    filesystems: Vec<(Role, Mount)>,
}

impl Pair {
    fn start(lab: &Lab, format: Format) -> Pair {
        let store = Store::new(format, lab.path("there"));
        let filesystems: Vec<_> =
            format.roles().iter().map(|role| (*role, lab.tmpfs(store.mountpoint(*role)))).collect();
        let mut other = Config::new(store);
        let here = Site::start_with(lab, format, Guard::Guarded, |config| {
            other.mail_plugins.clone_from(&config.mail_plugins);
            other.plugins.clone_from(&config.plugins);
            other.extra.clone_from(&config.extra);
        });
        let there = Dovecot::start(&other).expect("dovecot starts");
        let mut registry = "# mountguard 1 generation=1\n".to_owned();
        for (_, filesystem) in &filesystems {
            let _ = writeln!(registry, "online {}", filesystem.path().display());
        }
        fs::write(there.state_dir().join("mounts"), registry).expect("a registry");
        fill(&here.dovecot);
        let mut imap = there.imap("bob").expect("login");
        assert!(imap.append("INBOX", &["\\Seen"], &message("there")).expect("IMAP").is_ok());
        assert!(imap.command("CREATE There").expect("IMAP").is_ok());
        drop(imap);
        let pair = Pair { here, there, filesystems };
        pair.await_quiet();
        pair
    }

    fn filesystem(&self, side: Side, role: Role) -> &Mount {
        match side {
            Side::Here => self.here.mount(role),
            Side::There => {
                let found = self.filesystems.iter().find(|(other, _)| *other == role);
                &found.expect("a role of the format").1
            }
        }
    }

    /// Runs `doveadm` here with a `dsync-server` there, and returns its exit code with what it said.
    fn dsync(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let other = self.there.configuration().display().to_string();
        // As ssh would, without the environment: in it doveadm has handed itself the settings of its own side.
        let remote =
            ["env", "-i", "PATH=/usr/bin:/bin", "doveadm", "-c", &other, "dsync-server", "-u", "bob"];
        let output = self.here.dovecot.doveadm(&[arguments, &remote].concat()).expect("doveadm");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn truths(&self) -> [Truth; 2] {
        [&self.here.dovecot, &self.there].map(|server| {
            let truth = Truth::of(server, "bob").unwrap_or_else(|error| panic!("{error}: {}", server.log()));
            self.await_quiet();
            truth
        })
    }

    fn await_quiet(&self) {
        assert!(self.here.dovecot.await_quiet() && self.there.await_quiet(), "sessions end");
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Here,
    There,
}

const WAYS: [&[&str]; 3] = [&["sync", "-u", "bob"], &["backup", "-u", "bob"], &["backup", "-u", "bob", "-R"]];

fn roles(format: Format) -> impl Iterator<Item = Role> {
    format.roles().iter().copied().filter(|role| *role != Role::Home)
}

/// Entries below a directory that is not mounted.
fn bare(mountpoint: PathBuf) -> usize {
    underneath(&mountpoint).expect("look underneath").len()
}

fn nothing_happens(lab: &Lab, format: Format) {
    let pair = Pair::start(lab, format);
    let before = pair.truths();
    let mut wrong = Vec::new();
    for side in [Side::Here, Side::There] {
        for role in roles(format) {
            let filesystem = pair.filesystem(side, role);
            for way in WAYS {
                filesystem.take_away_lazily();
                let (code, said) = pair.dsync(way);
                pair.await_quiet();
                filesystem.bring_back();
                let after = pair.truths();
                let strays = bare(filesystem.path().to_path_buf());
                if code != Some(75) || after != before || strays > 0 {
                    let lost = [0, 1].map(|index| losses(&before[index], &after[index], &[]));
                    wrong.push(format!(
                        "{side:?} {role:?} away, {way:?}: exit {code:?}, lost {lost:?}, {strays} underneath, \
                         changed: {}; {said}",
                        after != before
                    ));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn dsync_of_dbox_does_nothing_while_either_side_misses_a_filesystem() {
    for format in [Format::Mdbox, Format::Sdbox] {
        lab!(format.name(), |lab| nothing_happens(lab, format));
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn dsync_of_maildir_does_nothing_while_either_side_misses_a_filesystem() {
    lab!(|lab| nothing_happens(lab, Format::Maildir));
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn dsync_goes_on_when_all_is_there() {
    lab!(|lab| {
        let pair = Pair::start(lab, Format::Mdbox);
        let (code, said) = pair.dsync(WAYS[0]);
        assert_eq!(code, Some(0), "{said}");
        let [here, there] = pair.truths();
        assert!(here.has("<there>") && here.mailboxes.contains_key("There"), "{here:?}");
        assert_eq!(here.mails(), there.mails());
    });
}

/// A server that is backed up to another place, with its mailbox Archive on a filesystem of its own.
fn nested(lab: &Lab, guard: Guard) -> (Site, Mount) {
    // Mailboxes are listed by what directories there are.
    let no_list_index = |config: &mut Config| config.extra.push_str("mailbox_list_index = no\n");
    let site = Site::start_with(lab, Format::MaildirFs, guard, no_list_index);
    let archive = site.dovecot.store().path(Role::Mail, "bob").join("Archive");
    fs::create_dir_all(&archive).expect("a directory of the user's");
    for directory in archive.ancestors().take(2) {
        chown(directory, Some(MAIL_USER), Some(MAIL_USER)).expect("chown");
    }
    let filesystem = lab.tmpfs(&archive);
    chown(&archive, Some(MAIL_USER), Some(MAIL_USER)).expect("chown");
    site.also_register(filesystem.path());
    fill(&site.dovecot);
    (site, filesystem)
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn backup_deletes_nothing_while_a_filesystem_deep_in_the_store_is_missing() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            let (site, filesystem) = nested(lab, guard);
            let copy = site.mount(Role::Mail).path().join("copy");
            let location = format!("maildir:{}", copy.display());
            let backup = || site.dovecot.doveadm(&["backup", "-u", "bob", &location]).expect("doveadm");
            fs::create_dir(&copy).expect("a place for copies");
            chown(&copy, Some(MAIL_USER), Some(MAIL_USER)).expect("chown");
            assert!(backup().status.success());
            let has_archive = || copy.join(".Archive").is_dir();
            assert!(has_archive(), "a backup of all there is");
            filesystem.take_away_lazily();
            let during = backup();
            assert_eq!(has_archive(), guard == Guard::Guarded, "{during:?}");
            assert_eq!(during.status.code() == Some(75), guard == Guard::Guarded, "{during:?}");
            filesystem.bring_back();
            assert!(guard == Guard::Stock || backup().status.success(), "{}", site.dovecot.log());
        });
    }
}
