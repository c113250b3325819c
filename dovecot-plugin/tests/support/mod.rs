//! A private Dovecot over filesystems that can be taken away, with the plugin or without.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod built;
pub(crate) mod locked;
pub(crate) mod traced;

use std::fmt::Write;
use std::fs;
use std::path::Path;

pub(crate) use fixtures::dovecot::Guard;
use fixtures::dovecot::{Config, Dovecot, Format, Role, Store, Truth};
use fixtures::lab::{Lab, Mount};

/// A mail store with every role on a filesystem of its own, all of them registered, and a Dovecot on it.
pub(crate) struct Site {
    pub(crate) dovecot: Dovecot,
    guard: Guard,
    mounts: Vec<(Role, Mount)>,
}

impl Site {
    pub(crate) fn start(lab: &Lab, format: Format, guard: Guard) -> Site {
        Site::start_with(lab, format, guard, |_| ())
    }

    pub(crate) fn start_with(
        lab: &Lab,
        format: Format,
        guard: Guard,
        adjust: impl FnOnce(&mut Config),
    ) -> Site {
        let store = Store::new(format, lab.path("srv"));
        let mount = |role: &Role| (*role, lab.tmpfs(store.mountpoint(*role)));
        let mounts: Vec<_> = format.roles().iter().map(mount).collect();
        let mut config = Config::new(store.clone());
        if guard == Guard::Guarded {
            config.mail_plugins = "mount_guard".to_owned();
            config.plugins = vec![built::plugin()];
            config.extra = SHIPPED.to_owned();
        }
        // The bare directories are made, and left writable, by mounting later.
        mounts.iter().for_each(|(_, mount)| mount.take_away());
        store.create().expect("bare directories that mail users can write to");
        mounts.iter().for_each(|(_, mount)| mount.bring_back());
        adjust(&mut config);
        let dovecot = Dovecot::start(&config).expect("dovecot starts");
        register(&dovecot.state_dir(), mounts.iter().map(|(_, mount)| (mount.path(), "online")));
        Site { dovecot, guard, mounts }
    }

    pub(crate) fn mount(&self, role: Role) -> &Mount {
        let (_, mount) = self.mounts.iter().find(|(other, _)| *other == role).expect("a role of the format");
        mount
    }

    /// Takes a filesystem away. Lazily: the processes of sessions that said goodbye may hold it a moment longer.
    pub(crate) fn take_away(&self, role: Role) {
        self.mount(role).take_away_lazily();
    }

    /// What the user has once the filesystems are back.
    ///
    /// A stock server may end the first session with `BYE` and rebuild at its end, so it is asked again.
    pub(crate) fn recovered(&self) -> Truth {
        let ask = || Truth::of(&self.dovecot, "bob");
        match self.guard {
            Guard::Stock => ask().or_else(|_| ask()).or_else(|_| ask()),
            Guard::Guarded => ask(),
        }
        .unwrap_or_else(|error| panic!("all can be read again: {error}\n{}", self.dovecot.log()))
    }

    /// Registers one more mountpoint.
    pub(crate) fn also_register(&self, mountpoint: &Path) {
        let own = self.mounts.iter().map(|(_, mount)| mount.path());
        register(&self.dovecot.state_dir(), own.chain([mountpoint]).map(|path| (path, "online")));
    }

    /// Gives one mountpoint a state, as the administrator does.
    pub(crate) fn set_state(&self, role: Role, state: &str) {
        let states = self
            .mounts
            .iter()
            .map(|(other, mount)| (mount.path(), if *other == role { state } else { "online" }));
        register(&self.dovecot.state_dir(), states);
    }
}

/// What the shipped configuration sets.
const SHIPPED: &str = "\
imap_fetch_failure = no-after
lmtp_rcpt_check_quota = yes
plugin {
  mount_guard_registry = required
}
";

fn register<'a>(state_dir: &Path, mountpoints: impl Iterator<Item = (&'a Path, &'a str)>) {
    let mut text = "# mountguard 1 generation=1\n".to_owned();
    for (path, state) in mountpoints {
        let _ = writeln!(text, "{state} {}", path.display());
    }
    let whole = state_dir.join("mounts.new");
    fs::write(&whole, text).expect("a registry");
    fs::rename(whole, state_dir.join("mounts")).expect("a registry");
}

/// A message that can be recognised.
pub(crate) fn message(id: &str) -> Vec<u8> {
    format!("From: a@example.org\r\nSubject: {id}\r\nMessage-ID: <{id}>\r\n\r\nbody of {id}\r\n").into()
}

/// Puts six mails into the INBOX, four of them flagged and, where there is alternate storage, three of
/// them moved there, and makes a mailbox beside it.
pub(crate) fn fill(dovecot: &Dovecot) {
    let mut imap = dovecot.imap("bob").expect("login");
    for (number, flags) in [(1, "\\Seen"), (2, "\\Seen"), (3, "\\Flagged"), (4, "work"), (5, ""), (6, "")] {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        let reply = imap.append("INBOX", &flags, &message(&number.to_string())).expect("IMAP");
        assert!(reply.is_ok(), "{}", reply.answer());
    }
    for command in ["CREATE Archive", "SUBSCRIBE Archive", "SELECT INBOX", "COPY 1 Archive"] {
        let reply = imap.command(command).expect("IMAP");
        assert!(reply.is_ok(), "{command}: {}", reply.answer());
    }
    if dovecot.store().format.roles().contains(&Role::Alt) {
        let moved =
            dovecot.doveadm(&["altmove", "-u", "bob", "mailbox", "INBOX", "uid", "1:3"]).expect("doveadm");
        assert!(moved.status.success(), "{moved:?}");
    }
}
