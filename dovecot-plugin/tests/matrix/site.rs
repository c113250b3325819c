//! A mail store with every role on a filesystem of its own, which is as at first for each cell.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fixtures::client::imap::Imap;
use fixtures::dovecot::{Config, Dovecot, Format, Guard, Store, Truth};
use fixtures::lab::{Lab, Mount};

use crate::built::plugin;
use crate::plan::Away;
use crate::setup::{Setup, Variant};

pub(crate) const USER: &str = "bob";

/// The mailboxes, and how many mails each has at first, UIDs from 1.
pub(crate) const MAILBOXES: [(&str, u32); 5] =
    [(INBOX, 8), (FOLDER, 4), (SHARED, 2), (EMPTY[0], 0), (EMPTY[1], 0)];
pub(crate) const INBOX: &str = "INBOX";
pub(crate) const FOLDER: &str = "Archive";
/// It lies in the other namespace.
pub(crate) const SHARED: &str = "Other/Shared";

/// In each namespace one that nobody is subscribed to, as to the others.
pub(crate) const EMPTY: [&str; 2] = ["Empty", "Other/Empty"];

/// Of each mailbox, the mails up to this UID are in alternate storage, where the format has it.
pub(crate) const OLD: u32 = 3;

/// Each has the flag `\Deleted`, and one of them is old.
pub(crate) const DELETED: [u32; 2] = [OLD, 8];

/// Files what comes with a certain subject in a folder.
const SCRIPT: &str = "\
require \"fileinto\";
if header :contains \"subject\" \"filed\" { fileinto \"Archive\"; }
";

/// A private Dovecot, its filesystems, and a copy of what was on them at first.
pub(crate) struct Site {
    pub(crate) dovecot: Dovecot,
    pub(crate) setup: Setup,
    pub(crate) guard: Guard,
    /// What the user has at first.
    pub(crate) before: Truth,
    /// What is in the user's other copy at first.
    pub(crate) replica_before: Vec<String>,
    mounts: Vec<(Away, Mount)>,
    root: PathBuf,
    template: PathBuf,
    /// A copy of what a new user has.
    shadow: PathBuf,
}

impl Site {
    pub(crate) fn start(lab: &Lab, setup: Setup, guard: Guard) -> Site {
        let root = lab.dir("srv");
        let roles = Away::of(setup.format).iter().filter(|away| **away != Away::Nothing);
        let mounts: Vec<_> = roles.map(|&away| (away, writable_mount(lab, away))).collect();
        writable(&lab.dir("srv/replica"));
        let dovecot = Dovecot::start(&configuration(setup, guard, &root)).expect("dovecot starts");
        register(&dovecot.state_dir(), &mounts);
        let template = lab.dir("template");
        let shadow = lab.dir("shadow");
        let before = Truth::default();
        let replica_before = Vec::new();
        let mut site = Site { dovecot, setup, guard, before, replica_before, mounts, root, template, shadow };
        if setup.variant == Variant::Shadow {
            site.cast_shadow();
        }
        site.fill();
        site.await_quiet();
        copy(&site.root, &site.template);
        site.before = Truth::of(&site.dovecot, USER).expect("all can be read");
        site.replica_before = site.replicated();
        site
    }

    /// Whether the format has alternate storage.
    pub(crate) fn has_alt(&self) -> bool {
        self.mounts.iter().any(|(away, _)| *away == Away::Alt)
    }

    /// Takes it away as `umount -l` does, since a session holds files in it; without one it is the same.
    pub(crate) fn take_away(&self, away: Away) {
        self.mount(away).into_iter().for_each(Mount::take_away_lazily);
    }

    pub(crate) fn bring_back(&self, away: Away) {
        self.mount(away).into_iter().for_each(Mount::bring_back);
    }

    /// The directory with all mountpoints.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The mountpoint of that filesystem.
    pub(crate) fn mountpoint(&self, away: Away) -> Option<&Path> {
        self.mount(away).map(Mount::path)
    }

    /// Makes everything as at first, also underneath that filesystem.
    pub(crate) fn restore(&self, away: Away) {
        self.await_quiet();
        self.take_away(away);
        clear(&self.root);
        if let Some(bare) = self.mountpoint(away) {
            self.setup.variant.prepare(bare);
            if self.setup.variant == Variant::Shadow {
                copy(&self.shadow.join(away.name()), bare);
            }
        }
        self.bring_back(away);
        clear(&self.root);
        copy(&self.template, &self.root);
    }

    /// Keeps what a user has who has just come, and begins anew.
    fn cast_shadow(&self) {
        let mut imap = self.dovecot.imap(USER).expect("login");
        done(&mut imap, "SELECT INBOX");
        done(&mut imap, "LOGOUT");
        self.await_quiet();
        copy(&self.root, &self.shadow);
        clear(&self.root);
    }

    /// Waits until all mail processes have ended: what a session does at its end is done then.
    pub(crate) fn await_quiet(&self) {
        assert!(self.dovecot.await_quiet(), "sessions don't end: {}", self.dovecot.log());
    }

    /// Where `doveadm sync` and `backup` find the user's other copy.
    pub(crate) fn replica(&self) -> String {
        format!("maildir:{}/replica/{USER}", self.root.display())
    }

    /// What is in the other copy: a line a mail.
    pub(crate) fn replicated(&self) -> Vec<String> {
        let location = format!("mail_location={}", self.replica());
        let fields = "mailbox uid flags hdr.message-id";
        let output = self
            .dovecot
            .doveadm(&["-o", &location, "-f", "tab", "fetch", "-u", USER, fields, "mailbox", "*"])
            .expect("doveadm");
        assert!(output.status.success(), "the replica can be read: {output:?}");
        // Whoever looks first takes \Recent away.
        let lasting = |line: &str| line.replace("\\Recent", "").replace(' ', "");
        String::from_utf8_lossy(&output.stdout).lines().map(lasting).collect()
    }

    fn mount(&self, away: Away) -> Option<&Mount> {
        self.mounts.iter().find(|(other, _)| *other == away).map(|(_, mount)| mount)
    }

    fn fill(&self) {
        let mut imap = self.dovecot.imap(USER).expect("login");
        for (mailbox, mails) in MAILBOXES {
            if mailbox != INBOX {
                done(&mut imap, &format!("CREATE {mailbox}"));
            }
            if !EMPTY.contains(&mailbox) {
                done(&mut imap, &format!("SUBSCRIBE {mailbox}"));
            }
            for uid in 1..=mails {
                let reply = imap.append(mailbox, flags(mailbox, uid), &message(&id(mailbox, uid)));
                assert!(reply.as_ref().is_ok_and(|reply| reply.is_ok()), "{mailbox} {uid}: {reply:?}");
            }
        }
        // The first look at a mailbox is when Maildir decides on its UIDVALIDITY.
        MAILBOXES.iter().for_each(|(mailbox, _)| done(&mut imap, &format!("SELECT {mailbox}")));
        done(&mut imap, "LOGOUT");
        let home = self.root.join("home").join(USER);
        fs::create_dir_all(&home).expect("a home");
        writable(&home);
        fs::write(home.join("filter.sieve"), SCRIPT).expect("a script");
        if self.has_alt() {
            for mailbox in [INBOX, FOLDER] {
                let old = format!("1:{OLD}");
                worked(self.doveadm(&["altmove", "-u", USER, "mailbox", mailbox, "uid", &old]));
            }
            // Takes them out of primary storage, where altmove leaves a copy.
            worked(self.doveadm(&["purge", "-u", USER]));
        }
        worked(self.doveadm(&["backup", "-u", USER, &self.replica()]));
    }

    fn doveadm(&self, arguments: &[&str]) -> Output {
        self.dovecot.doveadm(arguments).expect("doveadm")
    }
}

/// The `Message-ID` of a mail that is there at first.
pub(crate) fn id(mailbox: &str, uid: u32) -> String {
    format!("<{}-{uid}@example.org>", mailbox.replace('/', "-"))
}

/// The mail of that `Message-ID`. It has a part that is stored as an attachment.
pub(crate) fn message(id: &str) -> Vec<u8> {
    let attachment =
        "QXR0YWNobWVudCBvZiBhIG1haWwsIGxvbmcgZW5vdWdoIHRvIGJlIHN0b3JlZCBhcGFydC4u\r\n".repeat(24);
    format!(
        "From: a@example.org\r\nSubject: about {id}\r\nMessage-ID: {id}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"=\"\r\n\r\n\
         --=\r\nContent-Type: text/plain\r\n\r\nThe text of {id} is findable.\r\n\
         --=\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{attachment}\r\n--=--\r\n"
    )
    .into()
}

fn flags(mailbox: &str, uid: u32) -> &'static [&'static str] {
    match uid {
        _ if mailbox == INBOX && DELETED.contains(&uid) => &["\\Deleted", "\\Seen"],
        1 => &["\\Seen", "\\Flagged"],
        2 => &["work"],
        4 => &["\\Seen", "work"],
        _ => &[],
    }
}

fn done(imap: &mut Imap, command: &str) {
    let reply = imap.command(command).expect("IMAP");
    assert!(reply.is_ok(), "{command}: {}", reply.answer());
}

fn worked(output: Output) {
    assert!(output.status.success(), "{output:?}");
}

/// A filesystem over a directory that mail users can write to, which is the usual mistake.
fn writable_mount(lab: &Lab, away: Away) -> Mount {
    let at = Path::new("srv").join(away.name());
    writable(&lab.dir(&at));
    let mount = lab.tmpfs(&at);
    writable(mount.path());
    mount
}

fn writable(directory: &Path) {
    fs::set_permissions(directory, Permissions::from_mode(0o777)).expect("chmod");
}

/// Empties the directories in this one.
fn clear(root: &Path) {
    worked(Command::new("find").arg(root).args(["-mindepth", "2", "-delete"]).output().expect("find"));
}

fn copy(from: &Path, to: &Path) {
    worked(Command::new("cp").arg("-a").arg(from.join(".")).arg(to).output().expect("cp"));
}

/// Dovecot's settings, with all that may be elsewhere in a place of its own.
fn configuration(setup: Setup, guard: Guard, root: &Path) -> Config {
    let Setup { format, variant } = setup;
    let mut config = Config::new(Store::new(format, root));
    let root = root.display();
    config.extra = format!(
        "\
mail_location = {}{}
mail_attachment_min_size = 1k
{}{}
namespace other {{
  prefix = Other/
  separator = /
  location = {}
}}
service lmtp {{
  service_count = 1
}}
plugin {{
  sieve = file:~/sieve;active=~/filter.sieve
}}
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
}}
protocol lda {{
  mail_plugins = $mail_plugins sieve
}}
",
        location(format, &format!("{root}")),
        variant.location(),
        variant.settings(),
        match format {
            Format::Mdbox | Format::Sdbox => format!("mail_attachment_dir = {root}/attachments/%u"),
            _ => String::new(),
        },
        other_location(format, &format!("{root}/namespace/%u")),
    );
    if guard == Guard::Guarded {
        config.plugins = vec![plugin()];
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/90-mount-guard.conf");
        config.extra = format!("!include {}\n{}", shipped.display(), config.extra);
    }
    config
}

fn location(format: Format, root: &str) -> String {
    let apart = format!("INDEX={root}/index/%u:CONTROL={root}/control/%u");
    match format {
        Format::Mdbox | Format::Sdbox => {
            format!("{}:{root}/mail/%u:{apart}:ALT={root}/alt/%u", format.name())
        }
        Format::Maildir => format!("maildir:{root}/mail/%u:{apart}"),
        Format::MaildirFs => format!("maildir:{root}/mail/%u:{apart}:LAYOUT=fs"),
        Format::Mbox => format!("mbox:{root}/mail/%u:{apart}:INBOX={root}/inbox/%u"),
    }
}

fn other_location(format: Format, root: &str) -> String {
    match format {
        // As a namespace in mbox, its prefix would be listed as a mailbox that can't be opened.
        Format::Mbox => format!("maildir:{root}"),
        Format::MaildirFs => format!("maildir:{root}:LAYOUT=fs"),
        _ => format!("{}:{root}", format.name()),
    }
}

/// As `mountguard add` does for each.
fn register(state_dir: &Path, mounts: &[(Away, Mount)]) {
    let lines = mounts.iter().map(|(_, mount)| format!("online {}\n", mount.path().display()));
    let text: String = ["# mountguard 1 generation=1\n".to_owned()].into_iter().chain(lines).collect();
    fs::write(state_dir.join("mounts"), text).expect("a registry");
}
