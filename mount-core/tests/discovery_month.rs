//! Thirty days in the life of a mail server, without a mail server: its mount table is made up, event after event,
//! and given to discovery and to the rules as if the kernel had written it.
//!
//! Everything that used to raise false alarms happens all the time: containers, snaps, sticks, memory filesystems,
//! users' automounted homes. Real outages happen now and then. The life is drawn from a fixed seed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mount_core::discovery::{Candidate, Configuration, Memory, Survey, Warning, absent, register};
use mount_core::registry::Store;
use mount_core::table::MountTable;
use mount_core::{Cause, Directories, Mounts, Operation, WhenMissing};

const SEED: u64 = 20_130_917;
const MINUTES: u32 = 30 * 24 * 60;
const EVERY: u32 = 10;

const CONFIGURATION: &[u8] = b"\
mail_home = /home/%u
mail_location = mdbox:/srv/mail/%d/%n:INDEX=/srv/index/%d/%n:ALT=/srv/alt/%d/%n
";

/// A xorshift generator: what happens is the same in every run and with every version of every crate.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.throw(sides) == 0
    }
}

/// The server: what is mounted where, by mountpoint, and what mail lies on.
struct Server {
    dice: Dice,
    /// Type, source and further options of what is mounted.
    mounted: BTreeMap<String, (String, String)>,
    /// What was mounted at some time and ought to be, and since when each has been away.
    mail: BTreeSet<String>,
    away: BTreeMap<String, u32>,
    serial: u64,
    /// How many mounts came that are none of mail's.
    foreign: usize,
}

impl Server {
    fn new() -> Server {
        let mut server = Server {
            dice: Dice(SEED),
            mounted: BTreeMap::new(),
            mail: BTreeSet::new(),
            away: BTreeMap::new(),
            serial: 0,
            foreign: 0,
        };
        for (path, kind, source) in [
            ("/proc", "proc", "proc"),
            ("/sys", "sysfs", "sysfs"),
            ("/run", "tmpfs", "tmpfs"),
            ("/home", "autofs", "/etc/auto.home"),
            ("/var", "ext4", "/dev/mapper/vg0-var"),
            ("/opt", "ext4", "/dev/mapper/vg0-opt"),
        ] {
            server.mount(path, kind, source);
        }
        for path in ["/srv", "/srv/mail", "/srv/index", "/srv/alt", "/srv/mail/example.org"] {
            server.add_mail(path);
        }
        server
    }

    fn mount(&mut self, path: &str, kind: &str, source: &str) {
        self.mounted.insert(path.to_owned(), (kind.to_owned(), source.to_owned()));
    }

    fn add_mail(&mut self, path: &str) {
        self.mount(path, "xfs", &format!("/dev/mapper/mail{}", path.replace('/', "-")));
        self.mail.insert(path.to_owned());
    }

    /// The table as the kernel would write it: parents before children, by nesting.
    fn table(&self) -> Vec<u8> {
        let mut text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n".to_owned();
        let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, (path, (kind, source))) in self.mounted.iter().enumerate() {
            let parent =
                Path::new(path).ancestors().skip(1).filter_map(Path::to_str).find_map(|above| ids.get(above));
            let (id, parent) = (at + 2, parent.copied().unwrap_or(1));
            ids.insert(path, id);
            let options = if kind == "autofs" { "rw,fd=7,indirect" } else { "rw" };
            text += &format!("{id} {parent} 0:{id} / {path} rw,relatime - {kind} {source} {options}\n");
        }
        text.into_bytes()
    }

    /// Ten minutes of what goes on beside mail.
    fn bustle(&mut self) {
        self.serial += 1;
        let number = self.serial;
        let fleeting = [
            (format!("/var/lib/docker/overlay2/{number:x}/merged"), "overlay", "overlay"),
            (format!("/run/docker/netns/{number:x}"), "nsfs", "nsfs"),
            (format!("/snap/firefox/{number}"), "squashfs", "/dev/loop7"),
            (format!("/media/admin/stick{number}"), "vfat", "/dev/sdz1"),
            (format!("/home/user{}", number % 40), "nfs4", "nas:/home"),
            (format!("/tmp/build{number}"), "tmpfs", "tmpfs"),
            (format!("/run/user/{}", 1000 + number % 20), "tmpfs", "tmpfs"),
            (format!("/srv/mail/example.org/bob/restore{number}"), "xfs", "/dev/mapper/snapshot"),
            (format!("/home/user{}/mnt", number % 40), "fuse.sshfs", "a:/b"),
            (format!("/opt/app{}", number % 7), "ext4", "/dev/mapper/app"),
        ];
        for (path, kind, source) in &fleeting {
            if self.dice.one_in(4) && self.is_there_above(path) {
                self.mount(path, kind, source);
                self.foreign += 1;
            }
        }
        let gone: Vec<String> = self.mounted.keys().filter(|path| self.is_fleeting(path)).cloned().collect();
        for path in gone {
            if self.dice.one_in(3) {
                self.unmount(&path);
            }
        }
    }

    fn is_fleeting(&self, path: &str) -> bool {
        const STAY: [&str; 6] = ["/proc", "/sys", "/run", "/home", "/var", "/opt"];
        !self.mail.contains(path) && !STAY.contains(&path)
    }

    /// Whether the filesystem of mail that a path would be mounted in is there.
    fn is_there_above(&self, path: &str) -> bool {
        self.mail.iter().all(|mail| !path.starts_with(&format!("{mail}/")) || self.mounted.contains_key(mail))
    }

    /// Unmounts with everything below, and says what of mail that was.
    fn unmount(&mut self, path: &str) -> Vec<String> {
        let below = format!("{path}/");
        let gone: Vec<String> =
            self.mounted.keys().filter(|at| *at == path || at.starts_with(&below)).cloned().collect();
        gone.iter().for_each(|at| {
            self.mounted.remove(at);
        });
        gone.into_iter().filter(|at| self.mail.contains(at)).collect()
    }

    /// Something happens to mail every few hours; a disk is replaced in the same ten minutes, so that nobody can
    /// have missed it.
    fn fate(&mut self, now: u32) {
        let paths: Vec<String> = self.mail.iter().cloned().collect();
        if self.dice.one_in(40) {
            let pick = self.dice.throw(paths.len() as u64) as usize;
            for gone in self.unmount(&paths[pick].clone()) {
                self.away.insert(gone, now);
            }
        }
        if self.dice.one_in(30) {
            let number = self.mail.len();
            let path = format!("/srv/mail/domain{number}.org");
            if self.is_there_above(&path) && number < 30 {
                self.add_mail(&path);
            }
        }
        if self.dice.one_in(50) {
            let replaced = paths[self.dice.throw(paths.len() as u64) as usize].clone();
            if self.mounted.contains_key(&replaced) {
                self.mount(&replaced, "ext4", &format!("/dev/mapper/new{now}"));
            }
        }
        let back: Vec<String> = self
            .away
            .iter()
            .filter(|(_, since)| now > **since + 3 * EVERY)
            .map(|(path, _)| path.clone())
            .collect();
        for path in back {
            if self.is_there_above(&path) && self.dice.one_in(4) {
                self.away.remove(&path);
                self.mount(&path, "xfs", "/dev/mapper/mail");
            }
        }
    }
}

/// What is told in one run of discovery.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    added: BTreeSet<PathBuf>,
    absent: BTreeSet<PathBuf>,
    returned: BTreeSet<PathBuf>,
    other: Vec<Warning>,
}

fn discover(directories: &Directories, table: &MountTable) -> Told {
    let configuration = Configuration::parse(CONFIGURATION);
    let mut survey = Survey::new(table);
    survey.spare_homes(configuration.homes());
    for candidate in configuration.candidates() {
        survey.look(&candidate.expect("settings in order"));
    }
    for number in 0..40 {
        let home = PathBuf::from(format!("/home/user{number}"));
        survey.look(&Candidate::named(&home).expect("a home"));
    }
    let findings = survey.findings();
    let (added, document) = Store::new(directories.clone())
        .update(|document| Ok((register(&findings, document, table)?, document.clone())))
        .expect("write the registry");
    let mounts = judging(directories, table);
    let missing = absent(&document, |path| mounts.presence(path));
    let warnings: Vec<Warning> =
        missing.into_iter().map(|(path, presence)| Warning::Absent(path, presence)).collect();
    let memory = Memory::open(&directories.run, Duration::from_secs(60)).expect("the memory");
    let changes = memory.compare(&warnings);
    memory.remember(&warnings, true).expect("remember");
    let mut told = Told { added: added.into_iter().collect(), ..Told::default() };
    for warning in &changes.new {
        match warning {
            Warning::Absent(path, _) => drop(told.absent.insert(path.clone())),
            other => told.other.push(other.clone()),
        }
    }
    let paths = document.entries().map(|entry| entry.pattern.path().to_path_buf());
    told.returned = paths.filter(|path| changes.has_returned(path)).collect();
    told
}

fn judging(directories: &Directories, table: &MountTable) -> Mounts {
    Mounts::open_recorded(directories, WhenMissing::Refuse, table.clone()).expect("the registry")
}

/// Refusals where all is well, and permissions where it is not.
fn wrong_verdicts(mounts: &Mounts, server: &Server) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in server.mail.iter().map(|mail| format!("{mail}/bob/mailboxes")).chain([
        "/home/user7/Maildir".to_owned(),
        "/opt/app3/data".to_owned(),
        "/var/lib/docker/overlay2/1/merged/srv".to_owned(),
        "/var/mail/bob".to_owned(),
    ]) {
        let is_away = server.away.keys().any(|away| path.starts_with(&format!("{away}/")));
        for operation in [Operation::Open, Operation::Deliver, Operation::Rebuild] {
            match mounts.verdict(operation, Path::new(&path)) {
                Ok(()) if is_away => wrong.push(format!("{operation} {path} permitted")),
                Err(refusal) if !is_away => wrong.push(refusal.to_string()),
                Err(refusal) if !matches!(refusal.cause(), Cause::Presence(_)) => {
                    wrong.push(refusal.to_string())
                }
                _ => {}
            }
        }
    }
    wrong
}

#[test]
#[allow(clippy::print_stdout, reason = "how much happened is what is to be seen")]
fn thirty_days_bring_no_false_alarm_and_each_outage_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let directories =
        Directories { state: directory.path().join("state"), run: directory.path().join("run") };
    std::fs::create_dir(&directories.state).expect("a state directory");
    std::fs::create_dir(&directories.run).expect("a run directory");

    let mut server = Server::new();
    let (mut known, mut missing) = (BTreeSet::new(), BTreeSet::new());
    let (mut outages, mut returns, mut verdicts) = (0, 0, 0);
    for now in (0..MINUTES).step_by(EVERY as usize) {
        server.bustle();
        server.fate(now);
        let table = MountTable::parse(&server.table()).expect("a mount table");
        let told = discover(&directories, &table);

        let paths =
            |mail: &mut dyn Iterator<Item = &String>| mail.map(PathBuf::from).collect::<BTreeSet<_>>();
        let present = paths(&mut server.mail.iter().filter(|mail| server.mounted.contains_key(*mail)));
        let away = paths(&mut server.away.keys());
        let expected = Told {
            added: present.difference(&known).cloned().collect(),
            absent: away.difference(&missing).cloned().collect(),
            returned: missing.difference(&away).cloned().collect(),
            other: Vec::new(),
        };
        assert_eq!(told, expected, "day {}, minute {}", now / 1440, now % 1440);
        outages += expected.absent.len();
        returns += expected.returned.len();
        known.extend(expected.added);
        missing = away;

        let wrong = wrong_verdicts(&judging(&directories, &table), &server);
        assert!(wrong.is_empty(), "day {}: {wrong:#?}", now / 1440);
        verdicts += 3 * (server.mail.len() + 4);
    }
    println!(
        "30 days: {} foreign mounts, {} of mail, {outages} outages and {returns} returns told once each, {verdicts} verdicts",
        server.foreign,
        known.len()
    );
    assert!(outages > 50 && returns > 50, "{outages} outages, {returns} returns: too quiet a life");
    assert_eq!(known, server.mail.iter().map(PathBuf::from).collect());
}
