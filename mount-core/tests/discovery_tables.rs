//! Discovery on the recorded tables of many kinds of machines, each with the list that a person made of it; and
//! the rule that discovery once began with, on the same.

use fixtures::tables::{self, Table};
use mount_core::discovery::{Candidate, Configuration, Decision, Sight, Survey};
use mount_core::registry::Document;
use mount_core::table::MountTable;

/// A machine, what its Dovecot is told, and the mountpoints that mail relies on there.
struct Machine {
    table: Table,
    configuration: &'static str,
    /// Homes that the user database tells.
    homes: &'static [&'static str],
    expected: &'static [&'static str],
}

const fn machine(
    table: Table,
    configuration: &'static str,
    homes: &'static [&'static str],
    expected: &'static [&'static str],
) -> Machine {
    Machine { table, configuration, homes, expected }
}

const SRV: &str = "mail_location = mdbox:/srv/mail/%d/%n:INDEX=/srv/index/%d/%n:ALT=/srv/alt/%d/%n";
const SRV_FLAT: &str = "mail_location = sdbox:/srv/mail/%u:ALT=/srv/alt/%u";
const HOMES: &str = "mail_home = /home/%u\nmail_location = maildir:~/Maildir";
const SPOOL: &str = "mail_location = mbox:~/mail:INBOX=/var/mail/%u";

const MACHINES: &[Machine] = &[
    machine(
        tables::MAIL_SERVER,
        SRV,
        &[],
        &[
            "/srv",
            "/srv/alt",
            "/srv/index",
            "/srv/mail",
            "/srv/mail/example.org",
            "/srv/mail/example.org/bob",
        ],
    ),
    machine(tables::MAIL_SERVER, SPOOL, &["/home/bob"], &["/var"]),
    machine(tables::DOCKER_HOST, SRV, &["/srv/mail/example.org/bob"], &["/srv/mail"]),
    machine(tables::DOCKER_HOST, SPOOL, &["/home/bob"], &[]),
    machine(tables::DOCKER_CONTAINER, SRV_FLAT, &[], &["/srv/alt", "/srv/mail"]),
    machine(tables::PODMAN, HOMES, &["/home/bob"], &["/home"]),
    machine(tables::KUBERNETES_NODE, SPOOL, &["/root"], &[]),
    machine(tables::KUBERNETES_POD, SRV, &[], &["/srv/index", "/srv/mail"]),
    machine(tables::SNAP_DESKTOP, HOMES, &["/home/bob"], &[]),
    machine(tables::SYSTEMD_PRIVATE, SRV, &["/home/bob"], &["/srv/mail"]),
    machine(tables::BTRFS_SNAPSHOTS, SRV_FLAT, &["/home/bob"], &["/home", "/srv/mail"]),
    machine(
        tables::ZFS_DATASET_A_USER,
        "mail_location = sdbox:/tank/mail/%u",
        &["/tank/mail/alice"],
        &[
            "/tank",
            "/tank/mail",
            "/tank/mail/alice",
            "/tank/mail/bob",
            "/tank/mail/carol",
            "/tank/mail/dave",
            "/tank/mail/erin",
            "/tank/mail/frank",
            "/tank/mail/grace",
            "/tank/mail/heidi",
        ],
    ),
    machine(
        tables::AUTOFS_HOMES,
        "mail_location = mdbox:~/mdbox:INDEX=/srv/index/%u:ALT=/srv/alt/%u",
        &["/home/alice", "/home/bob"],
        &["/srv/alt", "/srv/index"],
    ),
    machine(tables::NFS_HOMES, SRV, &["/home/bob"], &["/home", "/srv/alt", "/srv/mail", "/srv/mail/archive"]),
    machine(tables::LIVE_MEDIA, SPOOL, &["/home/user"], &[]),
    machine(tables::LXC, SRV_FLAT, &["/root"], &["/srv/alt", "/srv/mail"]),
    machine(tables::USERS_FUSE, HOMES, &["/home/bob", "/home/dave", "/home/erin"], &["/home"]),
    machine(
        tables::USERS_FUSE,
        "mail_home = /home/%u\nmail_location = maildir:/home/%u/Maildir",
        &[],
        &["/home"],
    ),
    machine(tables::CLUSTER, SRV, &[], &["/srv/alt", "/srv/index", "/srv/mail"]),
    machine(tables::NSPAWN, SRV, &["/home/bob"], &["/srv/mail"]),
    machine(tables::BINDS, SRV_FLAT, &["/home/bob"], &["/srv/alt", "/srv/mail"]),
    machine(
        tables::CHROOT_WITHOUT_ROOT,
        "mail_location = sdbox:/srv/mail/%u:ALT=/srv/mail/alt/%u",
        &[],
        &["/srv/mail", "/srv/mail/alt"],
    ),
    machine(tables::EMPTY_SOURCE, SRV_FLAT, &[], &["/srv/mail", "/srv/mail/alt"]),
    machine(
        tables::STACKED,
        "mail_location = sdbox:/srv/mail/%u:INDEX=/data/mail/%u",
        &[],
        &["/data", "/srv/mail"],
    ),
    machine(
        tables::OCTAL_ESCAPES,
        "mail_location = sdbox:/srv/a b/%u:INDEX=/srv/c#d/%u",
        &[],
        &["/srv/a b", "/srv/c#d"],
    ),
    machine(tables::DUPLICATE_IDS, SRV, &[], &["/srv/alt", "/srv/index", "/srv/mail"]),
];

fn parsed(machine: &Machine) -> MountTable {
    MountTable::parse(machine.table.bytes).expect(machine.table.name)
}

/// What discovery would register, by path.
fn discovered(machine: &Machine, table: &MountTable) -> Vec<String> {
    let configuration = Configuration::parse(machine.configuration.as_bytes());
    let mut survey = Survey::new(table);
    survey.spare_homes(configuration.homes());
    for candidate in configuration.candidates() {
        survey.look(&candidate.expect("settings in order"));
    }
    for home in machine.homes {
        survey.look(&Candidate::named(home.as_ref()).expect("a home"));
    }
    let nothing_registered = Document::default();
    let findings = survey.findings().into_iter();
    let added =
        findings.filter(|finding| matches!(Decision::on(finding, &nothing_registered), Decision::Add(_)));
    added.map(|finding| finding.mountpoint.into_os_string().into_string().expect("UTF-8")).collect()
}

/// What the first Dovecot with such a list would register: every line of the table whose type and beginning are
/// not among those it knew to be without mail.
fn discovered_by_the_first_rule(table: &MountTable) -> Vec<String> {
    const TYPES: [&[u8]; 13] = [
        b"proc",
        b"tmpfs",
        b"sysfs",
        b"debugfs",
        b"securityfs",
        b"devpts",
        b"devtmpfs",
        b"rpc_pipefs",
        b"fusectl",
        b"nfsd",
        b"cgroup",
        b"binfmt_misc",
        b"fd",
    ];
    const PREFIXES: [&[u8]; 8] =
        [b"/cdrom", b"/media", b"/sys", b"/proc", b"/var/run", b"/var/tmp", b"/tmp", b"/run"];
    let mail = table.mounts().iter().filter(|mount| {
        !TYPES.contains(&mount.fs_type.as_slice())
            && !PREFIXES.iter().any(|prefix| mount.mountpoint.starts_with(prefix))
    });
    let mut paths: Vec<String> =
        mail.map(|mount| String::from_utf8_lossy(&mount.mountpoint).into_owned()).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// How many paths are registered that should not be, and how many are not that should be.
fn errors(registered: &[String], expected: &[&str]) -> (usize, usize) {
    let wrong = registered.iter().filter(|path| !expected.contains(&path.as_str())).count();
    let missed = expected.iter().filter(|path| !registered.iter().any(|found| found == *path)).count();
    (wrong, missed)
}

#[test]
fn exactly_the_filesystems_of_mail_are_found_on_every_machine() {
    for machine in MACHINES {
        let table = parsed(machine);
        assert_eq!(
            discovered(machine, &table),
            machine.expected,
            "{}: {}",
            machine.table.name,
            machine.configuration
        );
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the counts of both rules are what is to be seen")]
fn there_are_twenty_machines_and_the_first_rule_is_wrong_on_most() {
    let mut names: Vec<&str> = MACHINES.iter().map(|machine| machine.table.name).collect();
    names.dedup();
    assert!(names.len() >= 20, "{} machines", names.len());
    let (mut wrong, mut missed) = (0, 0);
    println!(
        "{:<22} {:>8} {:>6} {:>6} {:>12} {:>6}",
        "machine", "expected", "wrong", "missed", "first: wrong", "missed"
    );
    for machine in MACHINES {
        let table = parsed(machine);
        let ours = errors(&discovered(machine, &table), machine.expected);
        let first = errors(&discovered_by_the_first_rule(&table), machine.expected);
        let (name, expected) = (machine.table.name, machine.expected.len());
        println!("{name:<22} {expected:>8} {:>6} {:>6} {:>12} {:>6}", ours.0, ours.1, first.0, first.1);
        assert_eq!(ours, (0, 0), "{name}");
        wrong += first.0;
        missed += first.1;
    }
    println!("the first rule: {wrong} wrongly registered, {missed} missed");
    assert!(wrong > 100 && missed > 0, "the first rule: {wrong} wrongly registered, {missed} missed");
}

#[test]
fn whole_table_is_offered_without_what_is_known_not_to_be_mail() {
    for (table, expected) in [
        (tables::DOCKER_HOST, vec!["/srv/mail"]),
        (tables::SNAP_DESKTOP, vec![]),
        (tables::KUBERNETES_POD, vec!["/srv/index", "/srv/mail"]),
        (tables::LIVE_MEDIA, vec![]),
        (tables::CLUSTER, vec!["/srv/alt", "/srv/index", "/srv/mail", "/var/lib/pgsql"]),
    ] {
        let parsed = MountTable::parse(table.bytes).expect(table.name);
        let mut survey = Survey::new(&parsed);
        survey.look_at_all();
        let found = survey.findings();
        let paths: Vec<&str> = found.iter().filter_map(|finding| finding.mountpoint.to_str()).collect();
        assert_eq!(paths, expected, "{}", table.name);
    }
}

#[test]
fn container_s_volumes_are_recorded_with_the_identity_that_tells_a_missing_disk() {
    let table = MountTable::parse(tables::DOCKER_CONTAINER.bytes).expect("a mount table");
    let mut survey = Survey::new(&table);
    survey.look(&Candidate::named("/srv/mail".as_ref()).expect("a path"));
    let findings = survey.findings();
    assert!(matches!(&findings[0].sight, Sight::Mounted(Some(found), None) if found.root == b"/example.org"));
    let mut document = Document::default();
    mount_core::discovery::register(&findings, &mut document, &table).expect("register");
    let entry = document.entries().next().expect("an entry");
    assert!(entry.options.identity_required());
    assert_eq!(entry.options.get("root").as_deref(), Some(&b"/example.org"[..]));
}

#[test]
fn what_was_removed_by_hand_or_ignored_stays_out() {
    let table = MountTable::parse(tables::MAIL_SERVER.bytes).expect("a mount table");
    let registry = b"# mountguard 1 generation=3\nforgotten /srv\nignore /srv/mail/*\nonline /srv/mail\n";
    let mut document = Document::parse(registry).expect("a registry");
    let mut survey = Survey::new(&table);
    survey.look(&Candidate::named("/srv/mail/example.org/bob".as_ref()).expect("a path"));
    let findings = survey.findings();
    let decisions: Vec<&str> =
        findings.iter().map(|finding| Decision::on(finding, &document).as_str()).collect();
    assert_eq!(decisions, ["forgotten", "registered", "ignored", "ignored"]);
    let added = mount_core::discovery::register(&findings, &mut document, &table).expect("register");
    assert!(added.is_empty(), "{added:?}");
}

#[test]
fn what_went_away_since_it_was_found_is_not_registered() {
    let table = MountTable::parse(tables::DOCKER_HOST.bytes).expect("a mount table");
    let mut survey = Survey::new(&table);
    survey.look(&Candidate::named("/srv/mail".as_ref()).expect("a path"));
    let later = MountTable::parse(tables::SNAP_DESKTOP.bytes).expect("a mount table");
    let mut document = Document::default();
    let added = mount_core::discovery::register(&survey.findings(), &mut document, &later).expect("register");
    assert!(added.is_empty() && document.entries().next().is_none(), "{added:?}");
}
