//! A Dovecot whose users' mail is spread over filesystems that come and go.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use fixtures::dovecot::{Config, Dovecot, Format, Guard, Role, Store, Truth};
use fixtures::lab::{Lab, Mount};
use fixtures::registry::Registry;

use crate::built;
use crate::message::message;
use crate::plan::{place, roles};
use crate::scale::Scale;
use crate::tally::Tally;

/// How many mails each user has at first; with dbox the first half of them in alternate storage.
pub(crate) const FIRST: usize = 6;

pub(crate) struct Site {
    pub(crate) dovecot: Dovecot,
    pub(crate) format: Format,
    pub(crate) guard: Guard,
    pub(crate) scale: Scale,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) tally: Tally,
    /// What each user has at first.
    pub(crate) before: Vec<Truth>,
    /// By mountpoint: whether clients are asked to leave, so that it can be unmounted.
    leaving: Vec<AtomicBool>,
}

impl Site {
    pub(crate) fn start(lab: &Lab, format: Format, guard: Guard, scale: Scale) -> Site {
        let root = lab.dir(format!("srv-{guard:?}").to_lowercase());
        let mounts: Vec<_> = (0..scale.mountpoints).map(|number| mount(lab, &root, number)).collect();
        let backtraces = backtraces(lab);
        let dovecot = Dovecot::start(&configuration(format, guard, &scale, &root, &backtraces));
        let dovecot = dovecot.expect("dovecot starts");
        let registry = Registry { state: dovecot.state_dir(), run: dovecot.run_dir() };
        for mount in &mounts {
            registry.register(mount.path(), "online");
        }
        let leaving = mounts.iter().map(|_| AtomicBool::new(false)).collect();
        let (tally, before) = (Tally::default(), Vec::new());
        let mut site = Site { dovecot, format, guard, scale, mounts, tally, before, leaving };
        (0..scale.users).for_each(|user| site.fill(user));
        site.move_to_alternate_storage();
        assert!(site.dovecot.await_quiet(), "sessions don't end: {}", site.dovecot.log());
        let read = |user| Truth::of(&site.dovecot, &name(user)).expect("all can be read");
        site.before = (0..scale.users).map(read).collect();
        site
    }

    /// Makes it impossible for mail users to create anything in these bare directories.
    pub(crate) fn seal(&self, which: impl Fn(usize) -> bool) {
        let mut command = Command::new(built::mountguard());
        command.arg("--state-dir").arg(self.dovecot.state_dir()).arg("--run-dir").arg(self.dovecot.run_dir());
        command.args(["audit", "--fix", "--yes"]);
        command.args(
            (0..self.mounts.len()).filter(|number| which(*number)).map(|number| self.mounts[number].path()),
        );
        worked(command.output().expect("mountguard"));
    }

    /// Whether mail of this user is on that mountpoint.
    pub(crate) fn concerns(&self, user: usize, mountpoint: usize) -> bool {
        roles(self.format).iter().any(|role| place(user, *role, self.mounts.len()) == mountpoint)
    }

    /// Asks the clients with mail on a mountpoint to log out and to stay away, or tells them to come again.
    pub(crate) fn set_leaving(&self, mountpoint: usize, leaving: bool) {
        self.leaving[mountpoint].store(leaving, Ordering::Relaxed);
    }

    /// Whether the clients of this user are asked to stay away.
    pub(crate) fn is_leaving(&self, user: usize) -> bool {
        let asked = |mountpoint: &usize| self.leaving[*mountpoint].load(Ordering::Relaxed);
        (0..self.mounts.len()).filter(asked).any(|mountpoint| self.concerns(user, mountpoint))
    }

    /// A command of the administrator's, run by Dovecot's own process for them.
    pub(crate) fn doveadm(&self, command: &str, user: usize, query: &[&str]) -> Output {
        let socket = self.dovecot.run_dir().join("doveadm-server");
        let socket = socket.to_str().expect("a path of the laboratory");
        let user = name(user);
        let arguments = [&[command, "-S", socket, "-u", &user], query].concat();
        self.dovecot.doveadm(&arguments).expect("doveadm")
    }

    fn fill(&self, user: usize) {
        let mut imap = self.dovecot.imap(&name(user)).expect("login");
        for number in 1..=FIRST {
            let flags: &[&str] = if number % 2 == 0 { &["\\Seen", "work"] } else { &[] };
            let reply =
                imap.append("INBOX", flags, &message(&format!("first-{user}-{number}"))).expect("IMAP");
            assert!(reply.is_ok(), "{}", reply.answer());
        }
        // The first look at a mailbox is when Maildir decides on its UIDVALIDITY.
        for command in
            ["CREATE Archive", "SUBSCRIBE Archive", "SELECT INBOX", "COPY 5 Archive", "SELECT Archive"]
        {
            let reply = imap.command(command).expect("IMAP");
            assert!(reply.is_ok(), "{command}: {}", reply.answer());
        }
    }

    fn move_to_alternate_storage(&self) {
        if !roles(self.format).contains(&Role::Alt) {
            return;
        }
        let old = format!("1:{}", FIRST / 2);
        worked(self.dovecot.doveadm(&["altmove", "-A", "mailbox", "INBOX", "uid", &old]).expect("doveadm"));
        worked(self.dovecot.doveadm(&["purge", "-A"]).expect("doveadm"));
    }
}

pub(crate) fn name(user: usize) -> String {
    format!("u{user}")
}

fn worked(output: Output) {
    assert!(output.status.success(), "{output:?}");
}

fn writable(directory: &Path) {
    fs::set_permissions(directory, Permissions::from_mode(0o777)).expect("chmod");
}

/// A filesystem over a directory that mail users can write to, which is the usual mistake.
fn mount(lab: &Lab, root: &Path, number: usize) -> Mount {
    let at = root.join(format!("m{number}"));
    writable(&lab.dir(&at));
    let mount = if number % 5 == 3 { lab.xfs(&at) } else { lab.tmpfs(&at) };
    writable(mount.path());
    mount
}

/// The library that makes dying processes say where they are.
fn backtraces(lab: &Lab) -> PathBuf {
    let library = lab.path("backtrace.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/soak/backtrace.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&library).arg(source);
    worked(compiler.output().expect("run cc (package gcc)"));
    library
}

fn configuration(format: Format, guard: Guard, scale: &Scale, root: &Path, backtraces: &Path) -> Config {
    let mut config = Config::new(Store::new(format, root));
    config.users = (0..scale.users).map(name).collect();
    config.locations =
        (0..scale.users).map(|user| (name(user), location(format, user, scale, root))).collect();
    let processes = 2 * (scale.sessions + scale.senders) + 100;
    let _ = write!(
        config.extra,
        "\
default_process_limit = {processes}
default_client_limit = {clients}
mbox_lock_timeout = 10s
import_environment = $import_environment LD_PRELOAD={preload}
service imap-login {{
  service_count = 0
}}
service imap {{
  process_limit = {processes}
}}
service lmtp {{
  idle_kill = 1s
}}
",
        clients = 10 * processes,
        preload = backtraces.display(),
    );
    if guard == Guard::Guarded {
        config.plugins = vec![built::plugin()];
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/90-mount-guard.conf");
        config.extra = format!("!include {}\n{}", shipped.display(), config.extra);
    }
    config
}

/// The `mail_location` of one user: `m3/u7.mail`, `m4/u7.index`.
fn location(format: Format, user: usize, scale: &Scale, root: &Path) -> String {
    let path = |role: &Role| {
        let number = place(user, *role, scale.mountpoints);
        format!("{}/m{number}/{}.{}", root.display(), name(user), role.name())
    };
    let elsewhere = roles(format).iter().filter(|role| **role != Role::Mail);
    let options = elsewhere.map(|role| format!(":{}={}", role.name().to_uppercase(), path(role)));
    format!("{}:{}{}", format.name(), path(&Role::Mail), options.collect::<String>())
}
