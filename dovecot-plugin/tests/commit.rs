//! A filesystem that is detached in the middle of a commit: the mail is refused, and the process lives.

mod support;

use std::fs;
use std::thread;

use fixtures::dovecot::{Format, Role, Truth, losses};
use fixtures::lab;
use support::locked::{Locked, SETTING};
use support::traced::Session;
use support::{Guard, Site, fill, message};

/// Dovecot's sdbox forgets to close a view then, which it panics about when it closes the mailbox.
#[test]
#[ignore = "needs root: real Dovecot"]
fn index_that_vanishes_in_the_middle_of_a_commit_ends_no_process() {
    for format in [Format::Sdbox, Format::Mdbox] {
        for guard in [Guard::Stock, Guard::Guarded] {
            lab!(&format!("{format:?} {guard:?}"), |lab| {
                let site = Site::start_with(lab, format, guard, |config| config.extra.push_str(SETTING));
                fill(&site.dovecot);
                assert!(site.dovecot.await_quiet(), "the session ends");
                let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
                let index = site.dovecot.store().path(Role::Index, "bob");
                // It is written in the middle of a commit.
                let cache = Locked::new(&index.join("mailboxes/INBOX/dovecot.index.cache"));
                let reply = thread::scope(|scope| {
                    let append = || {
                        let mut imap = site.dovecot.imap("bob").expect("login");
                        let reply = imap.append("INBOX", &[], &message("vanishing"));
                        drop(imap.command("LOGOUT"));
                        reply
                    };
                    let appending = scope.spawn(append);
                    cache.await_waiting();
                    site.take_away(Role::Index);
                    cache.unlock();
                    appending.join().expect("an answer")
                });
                assert!(site.dovecot.await_quiet(), "the session ends");
                site.mount(Role::Index).bring_back();
                let crashes = site.dovecot.crashes();
                let what = format!("{reply:?} {crashes:#?}\n{}", site.dovecot.log());
                let crashed = guard == Guard::Stock && format == Format::Sdbox;
                assert_eq!(!crashes.is_empty(), crashed, "{what}");
                if guard == Guard::Guarded {
                    assert!(
                        reply.is_ok_and(|reply| reply.answer().starts_with("NO [UNAVAILABLE] ")),
                        "{what}"
                    );
                    // The mail is in the index and has no file: the first who reads it has to come again.
                    let ask = || Truth::of(&site.dovecot, "bob");
                    let after = ask().or_else(|_| ask()).expect("all can be read");
                    assert_eq!(losses(&before, &after, &[]), [], "{what}");
                }
            });
        }
    }
}

/// IMAP keeps the text of the first error for its answer, and does not expect a second one to free it.
#[test]
#[ignore = "needs root: real Dovecot"]
fn copy_that_fails_twice_is_answered_in_words() {
    lab!(|lab| {
        let site = Site::start(lab, Format::Maildir, Guard::Guarded);
        fill(&site.dovecot);
        let cur = site.dovecot.store().path(Role::Mail, "bob").join("cur");
        let mut mails = fs::read_dir(cur).expect("the INBOX").map(|entry| entry.expect("an entry").path());
        let first = mails.next().expect("a mail");
        let trace = lab.path("trace");
        let mut session = Session::stopping(&site.dovecot, "link:error=EIO", &first, &trace);
        session.send("COPY 1:* Archive");
        session.await_stop(&trace);
        site.take_away(Role::Mail);
        session.go_on();
        let answer = session.receive().expect("the session goes on");
        site.mount(Role::Mail).bring_back();
        assert!(answer.starts_with("NO [UNAVAILABLE] Mail storage "), "{answer:?}");
    });
}
