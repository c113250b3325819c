//! What `discover` finds and says, with programs that answer as Dovecot's do, and with Dovecot itself.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use fixtures::dovecot::{Config, Dovecot, Format, Role, Store};
use fixtures::lab;
use fixtures::lab::Lab;
use nix::fcntl::{Flock, FlockArg};

use crate::support::{Guard, Outcome, text};

/// A server whose `doveconf` and `doveadm` are scripts.
struct Site<'a> {
    lab: &'a Lab,
    guard: Guard,
    /// So that the instance seems to run.
    _auth: UnixListener,
}

impl<'a> Site<'a> {
    /// The laboratory is a filesystem above all others in it; that one is registered already.
    fn new(lab: &'a Lab) -> Self {
        let site = Site::without_registry(lab);
        site.guard.add(lab.root());
        site
    }

    fn without_registry(lab: &'a Lab) -> Self {
        let auth =
            UnixListener::bind(lab.dir("base").join("auth-userdb")).expect("a socket for the user database");
        let site = Site { lab, guard: Guard::new(lab), _auth: auth };
        site.configure("mail_plugins = mount_guard\n");
        site.program("doveadm", "exit 75");
        site
    }

    fn program(&self, name: &str, script: &str) {
        let file = self.lab.dir("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("write a script");
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("make it executable");
    }

    /// Lets `doveconf` say this.
    fn configure(&self, settings: &str) {
        let base = self.lab.path("base");
        let file = self.lab.dir("bin").join("settings");
        fs::write(&file, format!("base_dir = {}\n{settings}", base.display())).expect("write the settings");
        self.program("doveconf", &format!("cat {}", file.display()));
    }

    /// Lets the user database have these records, as bytes that `printf` prints, and end as told.
    fn users(&self, names: &str, records: &[u8], end: &str) {
        let file = self.lab.dir("bin").join("records");
        fs::write(&file, records).expect("write the records");
        let script = format!("[ \"$2\" = '*' ] && {{ printf '{names}'; {end}; }}\ncat {}", file.display());
        self.program("doveadm", &script);
        let settings = fs::read_to_string(self.lab.path("bin/settings")).expect("the settings");
        fs::write(self.lab.path("bin/settings"), settings + "userdb {\n  driver = passwd\n}\n")
            .expect("add a userdb");
    }

    fn discover(&self, arguments: &[&str]) -> Outcome {
        self.with_programs(self.guard.command(&[&["discover"], arguments].concat()))
    }

    fn with_programs(&self, mut command: Command) -> Outcome {
        let path = format!("{}:/usr/bin:/bin", self.lab.dir("bin").display());
        Outcome::of(command.env("PATH", path))
    }

    /// The mountpoints that were registered, by the text of the registry.
    fn registered(&self) -> Vec<String> {
        let text = self.guard.text();
        let paths = text.lines().skip(2).filter_map(|line| line.split(['\t', ' ']).nth(1));
        let mut paths: Vec<String> = paths.map(str::to_owned).collect();
        paths.sort();
        paths
    }
}

fn silent(outcome: &Outcome) {
    assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (Some(0), "", ""), "{outcome:?}");
}

#[test]
fn filesystem_of_mail_is_registered_once_and_stays_removed() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let (mail, other) = (lab.tmpfs("srv/mail"), lab.tmpfs("srv/other"));
        site.configure(&format!(
            "mail_plugins = mount_guard\nmail_location = sdbox:{}/%u\n",
            mail.path().display()
        ));
        let outcome = site.discover(&[]);
        outcome.succeeds(&[]);
        assert_eq!(outcome.out.matches('\n').count(), 1, "{outcome:?}");
        assert!(outcome.out.contains("\tadded\tmail\tsetting mail_location\ttmpfs\t"), "{outcome:?}");
        assert_eq!(site.registered(), [text(mail.path())], "{} is none of mail's", other.path().display());
        assert!(site.guard.text().contains("fstype=tmpfs"));
        silent(&site.discover(&[]));
        site.guard.must(&["remove", text(mail.path())]);
        silent(&site.discover(&[]));
        assert!(site.guard.text().contains(&format!("forgotten {}", mail.path().display())));
    });
}

#[test]
fn absence_and_return_are_told_once_each() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let mail = lab.tmpfs("srv/mail");
        site.guard.add(mail.path());
        silent(&site.discover(&[]));
        for _ in 0..2 {
            mail.take_away();
            let outcome = site.discover(&[]);
            outcome.succeeds(&[
                text(mail.path()),
                "ought to be mounted, but is not-mounted",
                "mountguard remove",
            ]);
            assert_eq!((outcome.err.lines().count(), outcome.out.as_str()), (1, ""), "{outcome:?}");
            silent(&site.discover(&[]));
            mail.bring_back();
            let outcome = site.discover(&[]);
            assert!(outcome.out.contains("\treturned\t") && outcome.err.is_empty(), "{outcome:?}");
            silent(&site.discover(&[]));
        }
    });
}

/// As `discover | less` does, and Dovecot's start is not to wait for whoever reads that.
#[test]
fn discovery_that_does_not_end_keeps_the_next_one_waiting_for_the_timeout_only() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        silent(&site.discover(&[]));
        let memory = File::open(site.guard.run.join("mounts.warned")).expect("what was warned of");
        let _held = Flock::lock(memory, FlockArg::LockExclusive).expect("nobody else holds it");
        let arguments = ["20", text(&site.guard.binary), "discover", "--timeout", "0.5"];
        silent(&site.with_programs(site.guard.through(OsStr::new("timeout"), &arguments)));
    });
}

#[test]
fn server_without_filesystems_of_its_own_gets_an_empty_registry() {
    lab!(|lab: &Lab| {
        let site = Site::without_registry(lab);
        silent(&site.discover(&[]));
        assert_eq!(site.guard.text().lines().count(), 1, "{}", site.guard.text());
    });
}

#[test]
fn dry_run_shows_who_says_what_and_changes_nothing() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let (mail, home) = (lab.tmpfs("srv/mail"), lab.tmpfs("home"));
        let nowhere = lab.dir("nowhere");
        let settings = "mail_plugins = mount_guard\nmail_location = mdbox:MAIL/%u:ALT=NOWHERE/%u\n";
        let settings = settings.replace("MAIL", text(mail.path())).replace("NOWHERE", text(&nowhere));
        site.configure(&settings);
        let record = format!("userdb: bob\n  home      : {}/bob\n", home.path().display());
        site.users("bob\\n", record.as_bytes(), "exit 0");
        let outcome = site.discover(&["--dry-run", "--mail-path", text(&home.path().join("x"))]);
        outcome.succeeds(&[]);
        for row in [
            format!("{}\tadd\tmail\tsetting mail_location\ttmpfs", mail.path().display()),
            format!("{}\tadd\tmail\t--mail-path\ttmpfs", home.path().display()),
            format!("{}\tplace\talt\tsetting mail_location", nowhere.display()),
        ] {
            assert!(outcome.out.contains(&row), "{row:?} is not in {outcome:?}");
        }
        let outcome = site.discover(&["--dry-run"]);
        assert!(outcome.out.contains("\tadd\thome\tuser bob\ttmpfs"), "{outcome:?}");
        assert!(site.registered().is_empty(), "nothing was written");
    });
}

#[test]
fn configuration_that_cannot_be_read_is_told_and_hides_no_absence() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let mail = lab.tmpfs("srv/mail");
        site.guard.add(mail.path());
        mail.take_away();
        site.program(
            "doveconf",
            "echo 'doveconf: Fatal: Error in configuration file x line 2: what' >&2; exit 89",
        );
        let outcome = site.discover(&[]);
        outcome.fails(65, &["Error in configuration file x line 2: what", "ought to be mounted"]);
        fs::remove_file(lab.path("bin/doveconf")).expect("take doveconf away");
        let outcome = Outcome::of(site.guard.command(&["discover"]).env("PATH", lab.dir("bin")));
        outcome.fails(65, &["doveconf cannot be run", "--mail-path"]);
    });
}

#[test]
fn stores_of_other_servers_need_no_dovecot() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let mail = lab.tmpfs("srv/mail");
        let arguments = ["discover", "--mail-path", text(mail.path())];
        let outcome = Outcome::of(site.guard.command(&arguments).env("PATH", lab.dir("empty")));
        outcome.succeeds(&[]);
        assert_eq!(site.registered(), [text(mail.path())]);
    });
}

#[test]
fn user_database_that_fails_half_way_keeps_what_was_said() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let home = lab.tmpfs("home");
        let record = format!("userdb: bob\n  home      : {}/bob\n", home.path().display());
        site.users("bob\\ncarol\\n", record.as_bytes(), "echo 'Fatal: user listing failed' >&2; exit 75");
        let outcome = site.discover(&[]);
        assert_eq!(outcome.code, Some(75), "{outcome:?}");
        assert!(outcome.err.contains("user database failed after 2 users"), "{outcome:?}");
        assert!(outcome.err.contains("user listing failed"), "{outcome:?}");
        assert_eq!(site.registered(), [text(home.path())]);
    });
}

#[test]
fn user_database_that_never_answers_ends_with_the_timeout() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        site.users("bob\\n", b"", "exec sleep 1000");
        site.discover(&["--timeout", "0.5"]).fails(75, &["doveadm said nothing for 6 s"]);
    });
}

#[test]
fn strange_homes_register_nothing_wrongly() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let (spaced, bytes, secret) =
            (lab.tmpfs("srv/a home"), lab.tmpfs("srv/caf\u{e9}"), lab.tmpfs("secret"));
        let root = lab.path("srv");
        let mut records = Vec::new();
        for (user, home) in [
            ("spaced", spaced.path().join("bob").as_os_str().as_bytes().to_vec()),
            ("dots", root.join("../srv/a home/../caf\u{e9}/x").as_os_str().as_bytes().to_vec()),
            ("up", root.join("../../../../../../../../nowhere").as_os_str().as_bytes().to_vec()),
            (
                "newline",
                [root.as_os_str().as_bytes(), b"/x\n", secret.path().as_os_str().as_bytes()].concat(),
            ),
            ("binary", [root.as_os_str().as_bytes(), b"/\xff\xfe/x"].concat()),
            ("relative", b"home/x".to_vec()),
            ("long", [b"/".to_vec(), vec![b'x'; 5000]].concat()),
            ("none", Vec::new()),
            ("root", b"/".to_vec()),
        ] {
            records.extend([format!("userdb: {user}\n  home      : ").as_bytes(), &home, b"\n\n"].concat());
        }
        site.users("spaced\\ndots\\n--help\\n*\\n", &records, "exit 0");
        let outcome = site.discover(&[]);
        outcome.succeeds(&["user relative", "is relative", "1 more"]);
        let registered = site.registered();
        let expected = [spaced.path(), bytes.path()].map(|path| text(path).replace(' ', "\\040"));
        assert_eq!(registered, expected, "{outcome:?}");
    });
}

/// Lets this namespace see another `/etc/fstab`.
fn cover_fstab(file: &Path) {
    // A machine of containers' kind may have none to be covered.
    if !Path::new("/etc/fstab").exists() {
        fs::write("/etc/fstab", "").expect("make one");
    }
    let bound = Command::new("mount").args(["--bind", text(file), "/etc/fstab"]).status().expect("run mount");
    assert!(bound.success());
}

#[test]
fn registry_is_not_begun_anew_in_a_bare_mountpoint() {
    lab!(|lab: &Lab| {
        let site = Site::without_registry(lab);
        let fstab = lab.path("fstab");
        fs::write(&fstab, format!("UUID=1 {} ext4\n", site.guard.state.display())).expect("write it");
        cover_fstab(&fstab);
        site.discover(&[]).fails(78, &["there is no registry", "/etc/fstab", "mount it first"]);
        assert!(!site.guard.persistent().exists());
        lab.tmpfs("registry/state");
        assert_eq!(site.discover(&[]).code, Some(0));
    });
}

#[test]
fn mountpoint_of_fstab_that_was_never_seen_mounted_is_told() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let mail = lab.dir("srv/mail");
        site.configure(&format!(
            "mail_plugins = mount_guard\nmail_location = sdbox:{}/%d/%n\n",
            mail.display()
        ));
        let fstab = lab.path("fstab");
        let lines =
            format!("UUID=1 {0}/example.org xfs nofail\nUUID=2 {0}/by-hand xfs noauto\n", mail.display());
        fs::write(&fstab, lines).expect("write it");
        cover_fstab(&fstab);
        let outcome = site.discover(&[]);
        outcome.succeeds(&["example.org", "listed in /etc/fstab", "never seen mounted", "--not-mounted"]);
        assert_eq!(outcome.err.lines().count(), 1, "{outcome:?}");
        silent(&site.discover(&[]));
        assert!(site.registered().is_empty());
    });
}

#[test]
fn protocol_without_the_plugin_is_told_once() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let settings =
            "protocols = imap lmtp\nmail_plugins = mount_guard\nprotocol lmtp {\n  mail_plugins = sieve\n}\n";
        site.configure(settings);
        site.discover(&[]).succeeds(&["without the plugin mount_guard", "lmtp"]);
        silent(&site.discover(&[]));
    });
}

#[test]
fn recorded_table_is_looked_at_and_never_registered_from() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let table = lab.path("table");
        fs::write(&table, fixtures::tables::MAIL_SERVER.bytes).expect("write the table");
        let arguments = ["--mountinfo", text(&table), "--mail-path", "/srv/mail/example.org/bob/Maildir"];
        site.discover(&arguments).fails(64, &["--dry-run"]);
        let outcome = site.discover(&[&arguments[..], &["--dry-run"]].concat());
        assert_eq!(outcome.out.matches("\tadd\t").count(), 4, "{outcome:?}");
        assert!(site.registered().is_empty());
    });
}

#[test]
#[ignore = "needs root: loop devices, and another user's report"]
fn store_in_use_on_a_filesystem_nobody_registered_is_registered() {
    lab!(|lab: &Lab| {
        let site = Site::new(lab);
        let disk = lab.ext4("disk");
        // What lies in /tmp is no mail's without a path that says so.
        let bound =
            Command::new("mount").args(["--bind", text(disk.path()), "/srv"]).status().expect("run mount");
        assert!(bound.success());
        silent(&site.discover(&[]));
        let buttons: Vec<_> =
            fs::read_dir(site.guard.run.join("mounts.used")).expect("buttons").flatten().collect();
        assert!(!buttons.is_empty());
        let as_nobody = |program: &str, arguments: &[&str], button: &Path| {
            let mut command = Command::new(program);
            command.args(arguments).arg(button).uid(65534).gid(65534);
            command.output().expect("run it").status.success()
        };
        // Another user can neither fill, nor replace, nor remove a button.
        let button = buttons[0].path();
        for (program, arguments) in [
            ("rm", &["-f"][..]),
            ("chmod", &["777"]),
            ("truncate", &["-s", "1M"]),
            ("touch", &["-h", "-d", "@0"]),
        ] {
            assert!(!as_nobody(program, arguments, &button), "{program}");
        }
        silent(&site.discover(&[]));
        let usage = mount_core::discovery::Usage::open(&site.guard.run).expect("buttons");
        usage.tell(Path::new("/srv/mail/bob"));
        let outcome = site.discover(&[]);
        assert!(
            outcome.out.starts_with("/srv\tadded\tmail\tin use by a mail process\text4\t"),
            "{outcome:?}"
        );
        silent(&site.discover(&[]));
    });
}

#[test]
#[ignore = "needs root: Dovecot becomes the mail user"]
fn everything_that_dovecot_s_own_programs_tell_is_found() {
    lab!(|lab: &Lab| {
        let store = Store::new(Format::Mdbox, lab.path("srv"));
        let mounts: Vec<_> =
            Format::Mdbox.roles().iter().map(|role| (*role, lab.tmpfs(store.mountpoint(*role)))).collect();
        let _other = lab.tmpfs("srv/www");
        let mut config = Config::new(store);
        config.users = (0..700).map(|number| format!("user{number}")).collect();
        config.extra = "protocol lmtp {\n  mail_location = maildir:/nonexistent/%u\n}\n".to_owned();
        let dovecot = Dovecot::start(&config).expect("dovecot starts");
        let guard = Guard { state: dovecot.state_dir(), run: dovecot.run_dir(), ..Guard::new(lab) };
        guard.add(lab.root());
        let discover = || {
            let arguments = ["discover", "--timeout", "60", "--config", text(&dovecot.configuration())]
                .map(str::to_owned);
            guard.run(&arguments)
        };
        let outcome = discover();
        outcome.succeeds(&["without the plugin mount_guard", "imap, lmtp, pop3"]);
        assert_eq!(outcome.out.lines().count(), mounts.len(), "{outcome:?}");
        for (role, mount) in &mounts {
            let origin = if *role == Role::Home { "user user0" } else { "setting mail_location" };
            let row = format!("{}\tadded\t{}\t{origin}\ttmpfs", mount.path().display(), role.name());
            assert!(outcome.out.contains(&row), "{row:?} is not in {outcome:?}");
        }
        silent(&discover());
        let (_, alt) = mounts.iter().find(|(role, _)| *role == Role::Alt).expect("alternate storage");
        alt.take_away();
        discover().succeeds(&[text(alt.path()), "ought to be mounted"]);
    });
}
