//! Sessions that lock themselves into a chroot, where the registry is out of reach and every path has another name.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use fixtures::client::imap::Imap;
use fixtures::dovecot::{Config, Dovecot, Format, Guard, PASSWORD, Store, Truth, losses, underneath};
use fixtures::lab;
use fixtures::lab::{Lab, Mount};
use support::{built, fill, message};

const MAIL_USER: u32 = 5000;

/// The chroot of the one user.
const CHROOT: &str = "srv/mail/bob";

/// What is a filesystem of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A directory above the chroot.
    Above,
    /// The chroot itself.
    Chroot,
    /// The mails, inside.
    Inside,
}

impl Place {
    const ALL: [Place; 3] = [Place::Above, Place::Chroot, Place::Inside];

    fn path(self) -> &'static str {
        match self {
            Place::Above => "srv",
            Place::Chroot => CHROOT,
            Place::Inside => "srv/mail/bob/mail",
        }
    }
}

/// A Dovecot whose sessions go into a chroot, over one filesystem that can be taken away.
struct Site {
    dovecot: Dovecot,
    mount: Mount,
}

/// How sessions are told their chroot: fields of the userdb and settings. `@` is the directory that the chroot is in.
struct Way {
    fields: &'static str,
    settings: &'static str,
}

const BY_USERDB: Way =
    Way { fields: "userdb_chroot=@/bob userdb_home=/", settings: "valid_chroot_dirs = @\n" };

impl Site {
    fn start(lab: &Lab, place: Place, guard: Guard) -> Site {
        Site::start_with(lab, place, guard, Format::Maildir, &BY_USERDB)
    }

    fn start_with(lab: &Lab, place: Place, guard: Guard, format: Format, way: &Way) -> Site {
        let mount = lab.tmpfs(place.path());
        mount.take_away();
        populate(lab);
        mount.bring_back();
        populate(lab);
        let mut config = Config::new(Store::new(format, lab.path("unused")));
        // In the home, since a delivery agent that serves all users goes into no chroot and is given its home outside.
        let location = match format {
            Format::Maildir | Format::MaildirFs => "maildir:~/mail:INDEX=~/index".to_owned(),
            other => format!("{}:~/mail:INDEX=~/index:ALT=~/alt", other.name()),
        };
        let parent = lab.path("srv/mail").display().to_string();
        let fields = way.fields.replace('@', &parent);
        config.locations.insert("bob".to_owned(), format!("{location} {fields}"));
        config.extra = "lmtp_rcpt_check_quota = yes\n".to_owned() + &way.settings.replace('@', &parent);
        if guard == Guard::Guarded {
            config.mail_plugins = "mount_guard".to_owned();
            config.plugins = vec![built::plugin()];
            config.extra.push_str("plugin {\n  mount_guard_registry = required\n}\n");
        }
        let dovecot = Dovecot::start(&config).expect("dovecot starts");
        let site = Site { dovecot, mount };
        site.register(&[site.mount.path()]);
        site
    }

    fn register(&self, mountpoints: &[&Path]) {
        let lines = mountpoints.iter().map(|path| format!("online {}\n", path.display()));
        let text = "# mountguard 1 generation=1\n".to_owned() + &lines.collect::<String>();
        let whole = self.dovecot.state_dir().join("mounts.new");
        fs::write(&whole, text).expect("a registry");
        fs::rename(whole, self.dovecot.state_dir().join("mounts")).expect("a registry");
    }

    fn session(&self) -> Imap {
        self.dovecot.imap("bob").unwrap_or_else(|error| panic!("login: {error}\n{}", self.dovecot.log()))
    }

    /// How a command is answered, by its first two words.
    fn answer(&self, imap: &mut Imap, command: &str) -> String {
        let reply = imap.command(command);
        let reply = reply.unwrap_or_else(|error| panic!("{command}: {error}\n{}", self.dovecot.log()));
        reply.answer().split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    fn assert_refused(&self, imap: &mut Imap) {
        for command in ["SELECT INBOX", "STATUS Archive (MESSAGES)", "CREATE New", "LIST \"\" *"] {
            let answer = self.answer(imap, command);
            assert_eq!(answer, "NO [UNAVAILABLE]", "{command}: {}", self.dovecot.log());
        }
        let appended = imap.append("INBOX", &[], &message("refused")).expect("IMAP").answer();
        assert!(appended.starts_with("NO [UNAVAILABLE]"), "{appended}");
    }

    fn assert_works(&self, imap: &mut Imap) {
        for command in ["LIST \"\" *", "SELECT INBOX", "FETCH 1:* BODY.PEEK[]", "STORE 1 +FLAGS (\\Seen)"] {
            let answer = self.answer(imap, command);
            assert!(answer.starts_with("OK"), "{command}: {answer}\n{}", self.dovecot.log());
        }
        let appended = imap.append("Archive", &[], &message("new")).expect("IMAP").answer();
        assert!(appended.starts_with("OK"), "{appended}\n{}", self.dovecot.log());
    }

    fn delivers(&self) -> bool {
        self.dovecot.lmtp().expect("LMTP").deliver(&["bob"], &message("x")).expect("LMTP")[0].accepted()
    }

    fn underneath(&self) -> Vec<PathBuf> {
        underneath(self.mount.path()).expect("look underneath")
    }

    fn guard_lines(&self) -> Vec<String> {
        let log = self.dovecot.log();
        log.lines().filter(|line| line.contains("mount_guard: ")).map(str::to_owned).collect()
    }
}

/// The directories of a chroot, all of them writable to the user.
fn populate(lab: &Lab) {
    for directory in ["", "mail", "index", "alt"] {
        let directory = lab.dir(Path::new(CHROOT).join(directory));
        chown(&directory, Some(MAIL_USER), Some(MAIL_USER)).expect("chown");
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn session_in_a_chroot_works_while_all_is_mounted() {
    for place in Place::ALL {
        for format in [Format::Maildir, Format::Mdbox] {
            lab!(&format!("{place:?} {format:?}"), |lab| {
                let mut truths = Vec::new();
                for guard in [Guard::Stock, Guard::Guarded] {
                    let site = Site::start_with(lab, place, guard, format, &BY_USERDB);
                    fill(&site.dovecot);
                    let mut imap = site.session();
                    site.assert_works(&mut imap);
                    // By their own names these would be in the root directory.
                    assert_ne!(fs::read_dir(lab.path(CHROOT).join("mail")).expect("mails").count(), 0);
                    assert!(site.delivers(), "{}", site.dovecot.log());
                    let mut pop3 = site.dovecot.pop3().expect("POP3");
                    pop3.login("bob", PASSWORD).expect("POP3");
                    assert!(pop3.command("STAT").expect("POP3").ok);
                    truths.push(Truth::of(&site.dovecot, "bob").expect("all can be read").mails());
                    assert_eq!(site.guard_lines(), Vec::<String>::new());
                    drop(imap);
                    drop(site.dovecot);
                    site.mount.take_away_lazily();
                    fs::remove_dir_all(lab.path("srv")).expect("clean");
                }
                assert_eq!(truths[0], truths[1]);
            });
        }
    }
}

/// By a field, in the home as wu-ftpd has it, as a part of the home, and by the setting.
const WAYS: [Way; 4] = [
    BY_USERDB,
    Way { fields: "userdb_home=@/bob/./", settings: "valid_chroot_dirs = @\n" },
    Way { fields: "userdb_chroot=@/bob/. userdb_home=@/bob", settings: "valid_chroot_dirs = @\n" },
    Way { fields: "userdb_home=/", settings: "mail_chroot = @/%u\n" },
];

#[test]
#[ignore = "needs root: real Dovecot"]
fn every_way_to_name_a_chroot_is_guarded() {
    for way in &WAYS {
        lab!(&format!("{} {}", way.fields, way.settings), |lab| {
            let site = Site::start_with(lab, Place::Inside, Guard::Guarded, Format::Maildir, way);
            fill(&site.dovecot);
            let before = site.underneath();
            let mut imap = site.session();
            site.assert_works(&mut imap);
            site.mount.take_away_lazily();
            site.assert_refused(&mut imap);
            site.assert_refused(&mut site.session());
            assert_eq!(site.underneath(), before);
            site.mount.bring_back();
            site.assert_works(&mut imap);
        });
    }
}

/// Each is given its chroot by another program of Dovecot's.
#[test]
#[ignore = "needs root: real Dovecot"]
fn doveadm_and_dovecot_lda_are_guarded_too() {
    for place in Place::ALL {
        for format in [Format::Maildir, Format::Mdbox] {
            lab!(&format!("{place:?} {format:?}"), |lab| {
                let site = Site::start_with(lab, place, Guard::Guarded, format, &BY_USERDB);
                fill(&site.dovecot);
                let doveadm =
                    |arguments: &[&str]| site.dovecot.doveadm(arguments).expect("doveadm").status.code();
                let codes = |mailbox| {
                    let lda = site.dovecot.lda("bob", &message("lda")).expect("dovecot-lda");
                    let resync = doveadm(&["force-resync", "-u", "bob", "*"]);
                    let create = doveadm(&["mailbox", "create", "-u", "bob", mailbox]);
                    [lda.status.code(), resync, create]
                };
                assert_eq!(codes("One"), [Some(0); 3], "{}", site.dovecot.log());
                assert!(site.dovecot.await_quiet());
                let before = site.underneath();
                site.mount.take_away_lazily();
                assert_eq!(codes("Two"), [Some(75); 3], "{}", site.dovecot.log());
                assert_eq!(site.underneath(), before);
            });
        }
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn absent_filesystem_does_damage_without_the_plugin_and_is_refused_with_it() {
    for place in Place::ALL {
        for guard in [Guard::Stock, Guard::Guarded] {
            lab!(&format!("{place:?} {guard:?}"), |lab| {
                let site = Site::start(lab, place, guard);
                fill(&site.dovecot);
                let truth = Truth::of(&site.dovecot, "bob").expect("all can be read");
                assert!(site.dovecot.await_quiet());
                let before = site.underneath();
                site.mount.take_away_lazily();
                let mut imap = site.session();
                match guard {
                    Guard::Stock => {
                        assert!(site.answer(&mut imap, "SELECT INBOX").starts_with("OK"));
                        assert!(imap.append("INBOX", &[], &message("lost")).expect("IMAP").is_ok());
                        assert!(site.delivers());
                        assert_ne!(site.underneath(), before, "nothing went wrong: this shows nothing");
                    }
                    Guard::Guarded => {
                        site.assert_refused(&mut imap);
                        assert!(!site.delivers());
                        assert_eq!(site.underneath(), before);
                        drop(imap);
                        site.mount.bring_back();
                        let back = Truth::of(&site.dovecot, "bob").expect("all can be read");
                        assert_eq!(losses(&truth, &back, &[]), []);
                    }
                }
            });
        }
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn filesystem_inside_that_comes_back_is_used_by_the_running_session() {
    lab!(|lab| {
        let site = Site::start(lab, Place::Inside, Guard::Guarded);
        fill(&site.dovecot);
        let before = site.underneath();
        let mut imap = site.session();
        for _ in 0..2 {
            site.assert_works(&mut imap);
            site.mount.take_away_lazily();
            site.assert_refused(&mut imap);
            assert!(!site.delivers());
            assert_eq!(site.underneath(), before);
            site.mount.bring_back();
        }
        site.assert_works(&mut imap);
    });
}

/// The session stays in what was detached: nobody else sees what is done there once it ends.
#[test]
#[ignore = "needs root: real Dovecot"]
fn session_whose_chroot_was_detached_is_refused_until_the_next_login() {
    for place in [Place::Above, Place::Chroot] {
        lab!(&format!("{place:?}"), |lab| {
            let site = Site::start(lab, place, Guard::Guarded);
            fill(&site.dovecot);
            let before = site.underneath();
            let mut imap = site.session();
            site.assert_works(&mut imap);
            site.mount.take_away_lazily();
            site.assert_refused(&mut imap);
            site.mount.bring_back();
            site.assert_refused(&mut imap);
            assert_eq!(site.underneath(), before);
            site.assert_works(&mut site.session());
            let lines = site.guard_lines();
            assert!(lines.iter().any(|line| line.contains("log in again")), "{lines:#?}");
        });
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn session_locked_into_a_bare_directory_is_never_permitted() {
    for place in [Place::Above, Place::Chroot] {
        lab!(&format!("{place:?}"), |lab| {
            let site = Site::start(lab, place, Guard::Guarded);
            fill(&site.dovecot);
            let before = site.underneath();
            site.mount.take_away_lazily();
            let mut imap = site.session();
            site.assert_refused(&mut imap);
            site.mount.bring_back();
            site.assert_refused(&mut imap);
            assert_eq!(site.underneath(), before);
            site.assert_works(&mut site.session());
        });
    }
}

/// Inside, `/` is the root directory of the session.
#[test]
#[ignore = "needs root: real Dovecot"]
fn absolute_symlink_inside_leads_to_where_the_session_finds_it() {
    lab!(|lab| {
        let site = Site::start(lab, Place::Inside, Guard::Guarded);
        fill(&site.dovecot);
        let chroot = lab.path(CHROOT);
        // By the names outside, the one would lead to what is not there, and the other to nowhere.
        let elsewhere = lab.tmpfs("srv/mail/bob/store");
        elsewhere.take_away();
        chown(elsewhere.path(), Some(MAIL_USER), Some(MAIL_USER)).expect("chown");
        elsewhere.bring_back();
        chown(elsewhere.path(), Some(MAIL_USER), Some(MAIL_USER)).expect("chown");
        fs::create_dir(elsewhere.path().join("index")).expect("a directory");
        chown(elsewhere.path().join("index"), Some(MAIL_USER), Some(MAIL_USER)).expect("chown");
        assert!(site.dovecot.await_quiet());
        fs::remove_dir_all(chroot.join("index")).expect("moved");
        symlink("/../../store/index", chroot.join("index")).expect("a symlink");
        site.register(&[site.mount.path(), elsewhere.path()]);
        let mut imap = site.session();
        site.assert_works(&mut imap);
        let before = underneath(elsewhere.path()).expect("look");
        elsewhere.take_away_lazily();
        site.assert_refused(&mut imap);
        assert_eq!(underneath(elsewhere.path()).expect("look"), before);
        elsewhere.bring_back();
        site.assert_works(&mut imap);
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn mountpoint_registered_later_counts_in_a_running_session() {
    for place in Place::ALL {
        lab!(&format!("{place:?}"), |lab| {
            let site = Site::start(lab, place, Guard::Guarded);
            site.register(&[]);
            fill(&site.dovecot);
            let mut imap = site.session();
            site.assert_works(&mut imap);
            let missing = [lab.path("srv/mail"), lab.path(CHROOT).join("mail")];
            for path in missing.iter().filter(|path| *path != site.mount.path()) {
                site.register(&[path]);
                site.assert_refused(&mut imap);
            }
            site.register(&[site.mount.path()]);
            site.assert_works(&mut imap);
        });
    }
}

/// Root changed the root directory; the user of the session need not be able to get there.
#[test]
#[ignore = "needs root: real Dovecot"]
fn chroot_below_a_directory_that_is_closed_to_the_user_is_guarded() {
    lab!(|lab| {
        let site = Site::start(lab, Place::Inside, Guard::Guarded);
        fill(&site.dovecot);
        fs::set_permissions(lab.path("srv/mail"), Permissions::from_mode(0o700)).expect("chmod");
        let before = site.underneath();
        let mut imap = site.session();
        site.assert_works(&mut imap);
        site.mount.take_away_lazily();
        site.assert_refused(&mut imap);
        assert_eq!(site.underneath(), before);
        site.mount.bring_back();
        site.assert_works(&mut imap);
    });
}
