//! A filesystem that is away for so short a time that one look of Dovecot's falls into it and none of the guard's.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use fixtures::dovecot::{Format, Role};
use fixtures::lab;
use fixtures::lab::Lab;
use support::traced::Session;
use support::{Guard, Site, fill};

/// The looks at an index of which one is made to fail, each in a session of its own. Which of them makes Dovecot believe
/// that the mailbox was deleted depends on the format.
const LOOKS: std::ops::RangeInclusive<u32> = 1..=8;

fn log_of(directory: &Path, mailbox: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).expect("list a directory of indexes");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let is_log =
        |path: &&PathBuf| path.ends_with("dovecot.index.log") && path.to_string_lossy().contains(mailbox);
    let here = paths.iter().find(is_log).cloned();
    here.or_else(|| paths.iter().filter(|path| path.is_dir()).find_map(|path| log_of(path, mailbox)))
}

/// What sessions say of a mailbox after one look at its index did not find it, and others have since.
fn answers(lab: &Lab, format: Format, guard: Guard) -> Vec<String> {
    let site = Site::start(lab, format, guard);
    fill(&site.dovecot);
    let log = log_of(site.mount(Role::Index).path(), "Archive").expect("the index of Archive");
    let answer = |look| {
        let inject = format!("--inject=newfstatat:error=ENOENT:when={look}");
        let arguments =
            [inject.as_ref(), "--trace-path".as_ref(), log.as_ref(), "--output=/dev/null".as_ref()];
        let mut session = Session::traced(&site.dovecot, &arguments);
        for command in ["APPEND Archive", "STATUS Archive (MESSAGES)", "SELECT Archive", "SELECT INBOX"] {
            session.answer(command);
        }
        session.answer("SELECT Archive")
    };
    LOOKS.map(answer).collect()
}

fn is_ok(answer: &str) -> bool {
    answer.starts_with("OK")
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn index_that_one_look_did_not_find_is_not_taken_for_deleted_ever_after() {
    for format in Format::ALL {
        lab!(&format!("{format:?}, stock"), |lab| {
            let stock = answers(lab, format, Guard::Stock);
            let damage = "it says so of a mailbox that was not deleted";
            assert!(!stock.iter().all(|answer| is_ok(answer)), "{damage}: {stock:?}");
        });
        lab!(&format!("{format:?}, guarded"), |lab| {
            let guarded = answers(lab, format, Guard::Guarded);
            assert!(guarded.iter().all(|answer| is_ok(answer)), "{guarded:?}");
        });
    }
}
