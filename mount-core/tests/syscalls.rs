//! The system calls of each question in steady state, exactly: what a verdict costs on any machine.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::Opened;
use fixtures::lab;
use fixtures::lab::{Asker, Lab};
use fixtures::registry::Registry;
use mount_core::{Mounts, Operation, Presence};

/// Says to the traced process which question to ask, and of which path.
const QUESTION: &str = "MOUNTGUARD_QUESTION";
const PATH: &str = "MOUNTGUARD_PATH";
/// Whether without any privilege, as mail processes ask.
const UNPRIVILEGED: &str = "MOUNTGUARD_UNPRIVILEGED";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Presence,
    Verdict,
    Permit,
    Refresh,
    Epoch,
}

impl Question {
    const ALL: [(Question, &str); 5] = [
        (Question::Presence, "presence"),
        (Question::Verdict, "verdict"),
        (Question::Permit, "permit"),
        (Question::Refresh, "refresh"),
        (Question::Epoch, "epoch"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(question, _)| *question == self).expect("in the list").1
    }

    fn ask(self, mounts: &Mounts, path: &Path) {
        match self {
            Question::Presence => assert_eq!(mounts.presence(path), Presence::Mounted),
            Question::Verdict => mounts.verdict(Operation::Create, path).expect("permitted"),
            Question::Permit => drop(mounts.authorize(Operation::Create, &[path]).expect("permitted")),
            Question::Refresh => mounts.refresh().expect("unchanged"),
            Question::Epoch => drop(Some(mounts.epoch())),
        }
    }
}

/// What [`calls`] traces: the question between two marks, after its cold first time and often enough that the table of
/// all mountpoints has been made.
#[test]
fn traced() {
    let Ok(word) = std::env::var(QUESTION) else { return };
    let question = Question::ALL.iter().find(|(_, known)| *known == word).expect("a question").0;
    let path = PathBuf::from(std::env::var_os(PATH).expect("a path"));
    if std::env::var_os(UNPRIVILEGED).is_some() {
        Asker::Unprivileged.become_it();
    }
    let mounts = registry().open();
    for _ in 0..20 {
        question.ask(&mounts, &path);
    }
    let _: u32 = parent_id();
    question.ask(&mounts, &path);
    let _: u32 = parent_id();
}

fn registry() -> Registry {
    Registry::new(Path::new("/media/registry"))
}

/// The names of the system calls that a question takes.
fn calls(lab: &Lab, question: Question, path: &Path) -> Vec<String> {
    calls_of(lab, &Asker::Test, question, path)
}

fn calls_of(lab: &Lab, asker: &Asker, question: Question, path: &Path) -> Vec<String> {
    let trace = lab.path("trace");
    let strace = Command::new("strace")
        .args(["--follow-forks", "--quiet=all", "--signal=none", "--output"])
        .arg(&trace)
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "traced", "--test-threads=1"])
        .env_remove("MOUNTGUARD_LAB")
        .env(QUESTION, question.word())
        .env(PATH, path)
        .envs((*asker == Asker::Unprivileged).then_some((UNPRIVILEGED, "")))
        .stdout(Stdio::null())
        .status();
    assert!(strace.expect("start strace (package strace)").success(), "the question failed");
    let trace =
        String::from_utf8(fs::read(trace).expect("the trace")).expect("strace escapes what is no text");
    let calls = trace.lines().filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('('));
    let between = calls.map(|(name, _)| name.to_owned()).skip_while(|name| name != "getppid").skip(1);
    // Where debug assertions are on, the standard library asks before it closes whether the file is open.
    between.take_while(|name| name != "getppid").filter(|name| name != "fcntl").collect()
}

fn mail(lab: &Lab) -> fixtures::lab::Mount {
    let mail = lab.tmpfs("srv/mail");
    let registry = registry();
    registry.register(mail.path(), "online");
    for number in 0..100 {
        registry.register(format!("/tank/{number}/mail"), "online");
    }
    fs::create_dir_all(mail.path().join("domain/bob")).expect("a user's directory");
    mail
}

fn check_steady_questions(lab: &Lab, asker: &Asker) {
    let mail = mail(lab);
    let bob = mail.path().join("domain/bob");
    let calls = |question, path| calls_of(lab, asker, question, path);
    assert_eq!(calls(Question::Presence, mail.path()), ["statx"]);
    assert_eq!(calls(Question::Verdict, &bob), ["poll", "openat2", "statx", "close"]);
    // What the walk has opened is what is held, and closed when the permit ends.
    assert_eq!(calls(Question::Permit, &bob), ["poll", "openat2", "statx", "close"]);
    assert_eq!(calls(Question::Refresh, &bob), ["statx"]);
    assert_eq!(calls(Question::Epoch, &bob), ["poll"]);
    // A filesystem that nobody has registered, where the walk ends in place of the one that is judged.
    let below = lab.tmpfs("srv/mail/domain/big");
    assert_eq!(calls(Question::Verdict, below.path()), ["poll", "openat2", "statx", "statx", "close"]);
}

#[test]
fn steady_questions_take_as_few_calls_as_the_kernel_allows() {
    lab!(|lab| check_steady_questions(lab, &Asker::Test));
}

#[test]
#[ignore = "needs root: another user"]
fn steady_questions_take_no_more_calls_without_privileges() {
    lab!(|lab| check_steady_questions(lab, &Asker::Unprivileged));
}

/// A tmpfs keeps no memory of names that don't exist, so that its own look-up has to say so.
#[test]
fn missing_parts_of_a_path_are_asked_for_at_once_where_the_cache_has_no_memory_of_them() {
    lab!(|lab| {
        let mail = mail(lab);
        let expected = ["poll", "openat2", "openat2", "statx", "openat2", "close"];
        for missing in ["new", "domain/new/mailboxes", "a/b/c/d/e/f"] {
            assert_eq!(calls(lab, Question::Verdict, &mail.path().join(missing)), expected);
        }
    });
}

/// It is to be created from the deepest directory that exists.
#[test]
fn each_missing_part_of_a_path_takes_one_call_more_of_a_permit() {
    lab!(|lab| {
        let mail = mail(lab);
        let new = mail.path().join("domain/new/mailboxes");
        let expected = ["poll", "openat2", "openat2", "openat2", "statx", "openat", "close"];
        assert_eq!(calls(lab, Question::Permit, &new), expected);
    });
}

#[test]
#[ignore = "needs root: loop devices"]
fn missing_parts_that_the_cache_knows_are_not_asked_for_again() {
    lab!(|lab| {
        let mail = lab.ext4("srv/mail");
        registry().register(mail.path(), "online");
        let new = mail.path().join("new/mailboxes");
        let expected = ["poll", "openat2", "openat2", "statx", "close"];
        assert_eq!(calls(lab, Question::Verdict, &new), expected);
    });
}

#[test]
fn symlink_takes_a_look_at_itself_and_then_one_call_for_all_behind_it() {
    lab!(|lab| {
        let mail = mail(lab);
        symlink(mail.path(), lab.path("srv/link")).expect("a symlink");
        let until_the_link = ["poll", "openat2", "openat2", "openat2", "openat2", "statx"];
        let the_link = ["openat", "statx", "readlinkat", "close"];
        let behind_it = ["openat2", "statx", "close"];
        // The mount table must not have changed under a walk of several steps.
        let afterwards = ["poll", "close"];
        let expected = [&until_the_link[..], &the_link, &behind_it, &afterwards].concat();
        assert_eq!(calls(lab, Question::Verdict, &lab.path("srv/link/domain/bob")), expected);
    });
}

#[test]
#[ignore = "needs root: autofs"]
fn presence_below_a_filesystem_that_may_not_answer_walks_no_path() {
    lab!(|lab| {
        let automount = lab.autofs("net");
        drop(fs::read_dir(automount.path()).expect("trigger it"));
        registry().register(automount.path(), "online");
        assert_eq!(calls(lab, Question::Presence, automount.path()), ["poll", "syscall_0x1c9"]);
    });
}

/// The names in it expire at once, so that no walk along them is cached and the mount table alone could tell.
#[test]
#[ignore = "needs root: FUSE"]
fn presence_in_a_filesystem_that_keeps_no_names_takes_one_look_at_the_mount_table() {
    lab!(|lab| {
        let fuse = lab.fuse_healthy("net");
        let mail = lab.tmpfs(fuse.inner());
        registry().register(mail.path(), "online");
        assert_eq!(calls(lab, Question::Presence, mail.path()), ["poll"]);
    });
}
