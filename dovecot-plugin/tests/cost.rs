//! What the guard costs a session: the system calls that it adds, exactly.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use fixtures::dovecot::{Dovecot, Format, Role};
use fixtures::lab;
use fixtures::lab::Lab;
use support::{Guard, Site, fill};

/// An IMAP session of bob's in one process, so that there is nothing else to count.
struct Session {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// A session that is traced into the file, if there is one, with Dovecot's settings changed.
    fn start(dovecot: &Dovecot, trace: Option<&Path>, settings: &[&str]) -> Session {
        let mut command = Command::new(if trace.is_some() { "strace" } else { "doveadm" });
        if let Some(trace) = trace {
            command.args(["--quiet=all", "--signal=none", "--output"]).arg(trace).arg("doveadm");
        }
        command.arg("-c").arg(dovecot.configuration());
        for setting in settings {
            command.args(["-o", setting]);
        }
        command.args(["exec", "imap", "-u", "bob"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("doveadm exec imap (and strace)");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let mut session = Session { process, input, output };
        session.read_until("* PREAUTH");
        session.command("SELECT INBOX");
        session
    }

    fn read_until(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).expect("IMAP"), 0, "the session ended");
            if line.starts_with(start) {
                return line;
            }
        }
    }

    fn command(&mut self, command: &str) {
        // The message follows at once: a literal that need not be waited for.
        let literal = if command.starts_with("APPEND") { " {11+}\r\nA: b\r\n\r\nc\r\n" } else { "" };
        write!(self.input, "x {command}{literal}\r\n").expect("IMAP");
        let answer = self.read_until("x ");
        assert!(answer.starts_with("x OK"), "{command}: {answer}");
    }

    fn end(mut self) {
        drop(self.input);
        assert!(self.process.wait().expect("wait").success());
    }
}

/// How often a command looks at the registry or along a path (`statx`), at the mount table (`poll`), and opens a
/// directory (`openat2`). Dovecot itself makes none of these calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Calls {
    statx: usize,
    poll: usize,
    openat2: usize,
}

const TIMES: usize = 15;

/// The calls of a command, as most of its repetitions make them: a slow machine gives one more turn of the event loop.
fn calls(site: &Site, trace: &Path, command: &str) -> Calls {
    let mut session = Session::start(&site.dovecot, Some(trace), &[]);
    (0..TIMES).for_each(|_| session.command(command));
    session.end();
    let text = String::from_utf8_lossy(&fs::read(trace).expect("the trace")).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let rounds = lines.split(|line| line.starts_with("read(0, \"x ")).skip(3).take(TIMES - 2);
    let count = |round: &[&str], name: &str| round.iter().filter(|line| line.starts_with(name)).count();
    let rounds: Vec<Calls> = rounds
        .map(|round| Calls {
            statx: count(round, "statx("),
            poll: count(round, "poll("),
            openat2: count(round, "openat2("),
        })
        .collect();
    let alike = |round: &&Calls| rounds.iter().filter(|other| other == round).count();
    *rounds.iter().max_by_key(alike).expect("many rounds")
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

fn each_site(check: impl Fn(&Site, bool, &dyn Fn(&str) -> Calls)) {
    for format in Format::ALL {
        for registered in [false, true] {
            lab!(&format!("{format:?} {registered}"), |lab| {
                let site = site(lab, format, Guard::Guarded, registered);
                check(&site, registered, &|command| calls(&site, &lab.path("trace"), command));
            });
        }
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn dovecot_itself_makes_none_of_the_calls_that_are_counted() {
    lab!(|lab| {
        let site = site(lab, Format::Maildir, Guard::Stock, true);
        for command in READING.iter().chain(&["FETCH 5 BODY.PEEK[]", "APPEND Archive"]) {
            let none = Calls { statx: 0, poll: 0, openat2: 0 };
            assert_eq!(calls(&site, &lab.path("trace"), command), none, "{command}");
        }
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn reading_takes_one_look_at_the_registry_and_one_at_the_mount_table() {
    each_site(|_, registered, calls| {
        for command in READING {
            let expected = Calls { statx: 1, poll: usize::from(registered), openat2: 0 };
            assert_eq!(calls(command), expected, "{command}, registered: {registered}");
        }
    });
}

/// Dovecot ends a FETCH in another turn of its event loop. maildir and mbox take a mail that is not there for an
/// expunged one, so the mount table is looked at before each.
#[test]
#[ignore = "needs root: real Dovecot"]
fn body_of_maildir_and_mbox_takes_one_more_look_at_the_mount_table() {
    each_site(|site, registered, calls| {
        let dbox = matches!(site.dovecot.store().format, Format::Mdbox | Format::Sdbox);
        let poll = if registered { 2 + usize::from(!dbox) } else { 0 };
        assert_eq!(calls("FETCH 5 BODY.PEEK[]"), Calls { statx: 2, poll, openat2: 0 });
    });
}

/// It is pinned, so it walks along each path and opens the mount root, and verifies that at the end.
#[test]
#[ignore = "needs root: real Dovecot"]
fn saving_asks_once_for_each_directory_however_much_is_saved() {
    each_site(|site, registered, calls| {
        let found = calls("APPEND Archive");
        if !registered {
            return assert_eq!(found, Calls { statx: 2, poll: 0, openat2: 0 });
        }
        // Mail, index and control for maildir; the others have no control directory of their own here.
        let roots = site.dovecot.store().format.roles().iter();
        let roots = roots.filter(|role| matches!(role, Role::Mail | Role::Index | Role::Control)).count();
        let most = Calls { statx: 2 + 4 * roots, poll: 3 + 2 * roots, openat2: 3 * roots };
        assert!(
            found.statx <= most.statx && found.poll <= most.poll && found.openat2 <= most.openat2,
            "{found:?}"
        );
    });
}
