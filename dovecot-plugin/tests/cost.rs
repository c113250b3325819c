//! What the guard costs a session: the system calls that it adds, exactly.

mod support;

use std::fs;
use std::path::Path;
use std::time::Instant;

use fixtures::dovecot::{Format, Role};
use fixtures::lab;
use fixtures::lab::Lab;
use support::traced::Session;
use support::{Guard, Site, fill};

/// How often a command looks at the registry or at what it has opened (`statx`), at the mount table (`poll`), opens a
/// directory (`openat2`), and finds none to open. Dovecot itself makes none of these calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Calls {
    statx: usize,
    poll: usize,
    opened: usize,
    missing: usize,
}

impl Calls {
    fn of(round: &[&str]) -> Calls {
        let count = |name: &str| round.iter().filter(|line| line.starts_with(name)).count();
        let missing =
            round.iter().filter(|line| line.starts_with("openat2(") && line.contains(" = -1 ")).count();
        Calls { statx: count("statx("), poll: count("poll("), opened: count("openat2(") - missing, missing }
    }

    /// All of them; what was opened is closed, too.
    fn all(self) -> usize {
        self.statx + self.poll + 2 * self.opened + self.missing
    }
}

const TIMES: usize = 15;

/// The calls of the last of some commands, as most of its fastest repetitions make them: where a command takes longer
/// than a look lasts, it takes another one. `{}` in a command is the number of the repetition.
fn calls(site: &Site, trace: &Path, commands: &[&str]) -> Calls {
    let mut session = Session::traced(&site.dovecot, &["--output".as_ref(), trace.as_ref()]);
    let mut times = Vec::new();
    for number in 0..TIMES {
        for command in commands {
            let begun = Instant::now();
            session.command(&command.replace("{}", &number.to_string()));
            times.push(begun.elapsed());
        }
    }
    session.end();
    let text = String::from_utf8_lossy(&fs::read(trace).expect("the trace")).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    // What comes before the first is the start of the session and the SELECT of its mailbox.
    let rounds = lines.split(|line| line.starts_with("read(0, \"x ")).skip(2).zip(times);
    let rounds = rounds.skip(commands.len() - 1).step_by(commands.len());
    let mut rounds: Vec<_> = rounds.skip(1).take(TIMES - 2).collect();
    rounds.sort_by_key(|(_, time)| *time);
    let fastest: Vec<Calls> = rounds[..TIMES / 3].iter().map(|(round, _)| Calls::of(round)).collect();
    let alike = |round: &&Calls| fastest.iter().filter(|other| other == round).count();
    *fastest.iter().max_by_key(alike).expect("many rounds")
}

/// A store with its runtime registry, as it is once Dovecot was started, with all mountpoints in it or none.
fn site(lab: &Lab, format: Format, guard: Guard, registered: bool) -> Site {
    let site = Site::start(lab, format, guard);
    let registry = site.dovecot.state_dir().join("mounts");
    if !registered {
        fs::write(&registry, "# mountguard 1 generation=2\n").expect("an empty registry");
    }
    fs::copy(registry, site.dovecot.run_dir().join("mounts")).expect("the runtime registry");
    fill(&site.dovecot);
    site
}

const READING: [&str; 4] = ["NOOP", "STATUS Archive (MESSAGES UIDNEXT)", "SELECT Archive", "LIST \"\" *"];

const BODY: &str = "FETCH 1 BODY.PEEK[]";

/// Commands of which the last makes, changes, moves or deletes something.
struct Writing {
    commands: &'static [&'static str],
    /// Whether dbox needs alternate storage for it.
    with_alt: bool,
    /// How many mailboxes it is about, when one of them doesn't exist yet.
    new: usize,
}

const fn writing(commands: &'static [&'static str], with_alt: bool, new: usize) -> Writing {
    Writing { commands, with_alt, new }
}

const WRITING: [Writing; 7] = [
    writing(&["APPEND Archive"], false, 0),
    writing(&["STORE 1 FLAGS ()", "STORE 1 FLAGS (\\Flagged)"], false, 0),
    writing(&["APPEND INBOX", "STORE * FLAGS (\\Deleted)", "EXPUNGE"], false, 0),
    writing(&["CREATE Old{}", "DELETE Old{}"], true, 0),
    writing(&["UNSUBSCRIBE Archive", "SUBSCRIBE Archive"], false, 0),
    writing(&["CREATE New{}"], true, 1),
    writing(&["CREATE Old{}", "RENAME Old{} Other{}"], true, 2),
];

/// How many directories with filesystems of their own an operation relies on.
fn directories(site: &Site, with_alt: bool) -> usize {
    let relies = |role: &&Role| match role {
        Role::Mail | Role::Index | Role::Control => true,
        Role::Alt => with_alt,
        _ => false,
    };
    site.dovecot.store().format.roles().iter().filter(relies).count()
}

fn each_site(check: impl Fn(&Site, bool, &dyn Fn(&[&str]) -> Calls)) {
    for format in Format::ALL {
        for registered in [false, true] {
            lab!(&format!("{format:?} {registered}"), |lab| {
                let site = site(lab, format, Guard::Guarded, registered);
                check(&site, registered, &|commands| calls(&site, &lab.path("trace"), commands));
            });
        }
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn dovecot_itself_makes_none_of_the_calls_that_are_counted() {
    lab!(|lab| {
        let site = site(lab, Format::Maildir, Guard::Stock, true);
        let reading = READING.map(|command| vec![command]);
        let writing = WRITING.map(|writing| writing.commands.to_vec());
        for commands in reading.iter().chain(&writing).chain([&vec![BODY]]) {
            let found = calls(&site, &lab.path("trace"), commands);
            assert_eq!(found, Calls::default(), "{commands:?}");
        }
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn reading_takes_one_look_at_the_registry_and_one_at_the_mount_table() {
    each_site(|_, registered, calls| {
        for command in READING {
            let expected = Calls { statx: 1, poll: usize::from(registered), ..Calls::default() };
            assert_eq!(calls(&[command]), expected, "{command}, registered: {registered}");
        }
    });
}

/// maildir and mbox take a mail that is not there for an expunged one, so the mount table is looked at before each.
#[test]
#[ignore = "needs root: real Dovecot"]
fn body_of_maildir_and_mbox_takes_one_more_look_at_the_mount_table() {
    each_site(|site, registered, calls| {
        let dbox = matches!(site.dovecot.store().format, Format::Mdbox | Format::Sdbox);
        let poll = if registered { 1 + usize::from(!dbox) } else { 0 };
        assert_eq!(calls(&[BODY]), Calls { statx: 1, poll, ..Calls::default() });
    });
}

/// What is pinned is walked to, held, and let go: three calls for each directory. Besides there are one look at the
/// registry, and one at the mount table before and one afterwards.
#[test]
#[ignore = "needs root: real Dovecot"]
fn writing_takes_at_most_three_calls_a_directory_and_three() {
    each_site(|site, registered, calls| {
        for Writing { commands, with_alt, .. } in WRITING.iter().filter(|writing| writing.new == 0) {
            let directories = if registered { directories(site, *with_alt) } else { 0 };
            let most = if registered { 3 * directories + 3 } else { 1 };
            let found = calls(commands);
            assert!(found.all() <= most && found.opened == directories, "{commands:?}: {found:?}");
        }
    });
}

/// A mail that is copied is read, and a copy in maildir or mbox looks at the mount table before it reads.
#[test]
#[ignore = "needs root: real Dovecot"]
fn copying_looks_at_the_mount_table_for_each_mail_that_is_read_too() {
    each_site(|site, registered, calls| {
        let most = if registered { 3 * directories(site, false) + 3 + 2 } else { 1 };
        let found = calls(&["COPY 1 Archive"]);
        assert!(found.all() <= most, "{found:?}");
    });
}

/// A directory that is to be made is asked for first, and so is each above it that is missing too. A mailbox that is
/// renamed has directories of two names.
#[test]
#[ignore = "needs root: real Dovecot"]
fn what_does_not_exist_yet_takes_one_call_more_for_each_missing_part() {
    each_site(|site, registered, calls| {
        // The mailbox, and below it what dbox puts its mails into.
        let dbox = matches!(site.dovecot.store().format, Format::Mdbox | Format::Sdbox);
        let missing = 1 + usize::from(dbox);
        for Writing { commands, with_alt, new } in WRITING.iter().filter(|writing| writing.new > 0) {
            let directories = directories(site, *with_alt);
            let most = if registered { new * (directories * 3 + 2) + directories * missing + 1 } else { 1 };
            let found = calls(commands);
            assert!(found.all() <= most, "{commands:?}: {found:?}, at most {most}");
        }
    });
}
