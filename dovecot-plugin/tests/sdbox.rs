//! sdbox rebuilds and moves mails in the course of other work: whoever comes next does it. None of that happens without
//! alternate storage.

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::dovecot::{Format, Role, Truth, losses, underneath};
use fixtures::lab;
use fixtures::lab::Lab;
use support::{Guard, Site, fill, message};

const BOTH: [Guard; 2] = [Guard::Stock, Guard::Guarded];

/// Mails of which 1 to 3 are in alternate storage, and no session any more.
fn site(lab: &Lab, guard: Guard) -> (Site, Truth) {
    let site = Site::start(lab, Format::Sdbox, guard);
    fill(&site.dovecot);
    let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
    assert!(site.dovecot.await_quiet(), "the sessions end");
    (site, before)
}

/// Where its INBOX has its mails in primary storage.
fn mails(site: &Site) -> PathBuf {
    site.dovecot.store().path(Role::Mail, "bob").join("mailboxes/INBOX/dbox-Mails")
}

/// Where its INBOX has its index: the directory of that name or one in it.
fn index(site: &Site) -> PathBuf {
    let inbox = site.dovecot.store().path(Role::Index, "bob").join("mailboxes/INBOX");
    let has_log = |directory: &PathBuf| directory.join("dovecot.index.log").exists();
    [inbox.join("dbox-Mails"), inbox].into_iter().find(has_log).expect("an index")
}

/// Leaves in the index what Dovecot leaves there when it had to repair it: the mailbox is to be rebuilt.
fn mark_index_as_repaired(site: &Site) {
    let log = index(site).join("dovecot.index.log");
    let mut log = OpenOptions::new().append(true).open(log).expect("the log of the index");
    // A change of the header (20, and 10 for one that is done), 16 bytes long in all: of the flags, at 20 and 4 long, to 4.
    let record = [0x80, 0x80, 0x80, 0x84, 0x20, 0, 0, 0x10, 20, 0, 4, 0, 4, 0, 0, 0];
    log.write_all(&record).expect("write");
}

/// What of the outage remains once alternate storage is back.
fn damage(site: &Site, before: &Truth, accepted: &[&str]) -> (usize, Vec<PathBuf>) {
    let alt = site.mount(Role::Alt);
    let strays = underneath(alt.path()).expect("look");
    (losses(before, &site.recovered(), accepted).len(), strays)
}

fn assert_unhurt(site: &Site, before: &Truth, accepted: &[&str]) {
    let (lost, strays) = damage(site, before, accepted);
    assert_eq!((lost, strays), (0, vec![]), "{}", site.dovecot.log());
    assert_eq!(site.dovecot.crashes(), Vec::<String>::new());
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn nothing_is_saved_into_an_index_to_be_rebuilt_while_alternate_storage_is_away() {
    for guard in BOTH {
        for lmtp in [true, false] {
            lab!(&format!("{guard:?}, LMTP {lmtp}"), |lab| {
                let (site, before) = site(lab, guard);
                mark_index_as_repaired(&site);
                site.take_away(Role::Alt);
                let new = message("new");
                let said = if lmtp {
                    let reply = site.dovecot.lmtp().expect("LMTP").deliver(&["bob"], &new).expect("LMTP");
                    (reply[0].accepted(), format!("{:?}", reply[0]))
                } else {
                    let mut imap = site.dovecot.imap("bob").expect("login");
                    let reply = imap.append("INBOX", &[], &new).expect("IMAP");
                    (reply.is_ok(), reply.answer().to_owned())
                };
                site.mount(Role::Alt).bring_back();
                if guard == Guard::Stock {
                    assert_ne!(damage(&site, &before, &[]).0, 0, "{said:?}\n{}", site.dovecot.log());
                    return;
                }
                assert!(!said.0, "{said:?}\n{}", site.dovecot.log());
                assert!(lmtp || said.1.contains("[UNAVAILABLE] "), "{said:?}");
                assert_unhurt(&site, &before, &[]);
            });
        }
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn select_of_a_mailbox_to_be_rebuilt_is_refused_in_the_words_of_a_refusal() {
    lab!(|lab| {
        let (site, before) = site(lab, Guard::Guarded);
        mark_index_as_repaired(&site);
        site.take_away(Role::Alt);
        let mut imap = site.dovecot.imap("bob").expect("login");
        for _ in 0..3 {
            let reply = imap.command("SELECT INBOX").expect("IMAP");
            assert!(reply.answer().contains("[UNAVAILABLE] "), "{}\n{}", reply.answer(), site.dovecot.log());
        }
        drop(imap);
        site.mount(Role::Alt).bring_back();
        assert_unhurt(&site, &before, &[]);
    });
}

const ALTMOVE: [&str; 7] = ["altmove", "-u", "bob", "mailbox", "INBOX", "uid", "4:6"];

/// doveadm, traced at one file with something injected into a call on it.
fn traced(site: &Site, output: &Path, file: &Path, inject: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new("strace");
    command.args(["--quiet=all", "--follow-forks", "--output"]).arg(output).arg("--trace-path").arg(file);
    command.arg(format!("--inject={inject}")).arg("doveadm").arg("-c").arg(site.dovecot.configuration());
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::null());
    command.spawn().expect("strace of doveadm")
}

/// Waits until the call that is delayed was begun.
fn await_call(output: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while fs::metadata(output).map_or(0, |file| file.len()) == 0 {
        assert!(Instant::now() < deadline, "no such call");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Takes alternate storage away, or tries to, in the middle of what doveadm does, and looks what has come of it.
fn alternate_storage_goes_meanwhile(
    site: &Site,
    before: &Truth,
    (guard, lazily): (Guard, bool),
    trace: &Path,
    doveadm: Child,
) {
    await_call(trace);
    let alt = site.mount(Role::Alt);
    let gone = if lazily {
        alt.take_away_lazily();
        true
    } else {
        alt.take_away_unless_busy()
    };
    assert_eq!(gone, guard == Guard::Stock || lazily, "{}", site.dovecot.log());
    let output = doveadm.wait_with_output().expect("doveadm ends");
    if gone {
        alt.bring_back();
    }
    if guard == Guard::Stock {
        assert_ne!(damage(site, before, &[]).0, 0, "{output:?}\n{}", site.dovecot.log());
        return;
    }
    assert_eq!(output.status.code(), Some(if lazily { 75 } else { 0 }), "{output:?}");
    assert_unhurt(site, before, &[]);
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn altmove_that_was_interrupted_is_not_resumed_underneath() {
    for guard in BOTH {
        lab!(&format!("{guard:?}"), |lab| {
            let (site, before) = site(lab, guard);
            let moved = mails(&site).join("u.4");
            let mut altmove = traced(&site, &lab.path("trace"), &moved, "unlink:signal=KILL", &ALTMOVE);
            altmove.wait().expect("it is killed");
            assert!(moved.exists(), "killed before it removed the first mail from primary storage");
            site.take_away(Role::Alt);
            let mut imap = site.dovecot.imap("bob").expect("login");
            let reply = imap.command("SELECT INBOX").expect("IMAP");
            assert!(reply.is_ok(), "{}", reply.answer());
            let reply = site.dovecot.lmtp().expect("LMTP").deliver(&["bob"], &message("new")).expect("LMTP");
            assert!(reply[0].accepted(), "{reply:?}");
            drop(imap);
            site.mount(Role::Alt).bring_back();
            if guard == Guard::Stock {
                assert_ne!(damage(&site, &before, &["<new>"]).0, 0, "{}", site.dovecot.log());
            } else {
                assert_unhurt(&site, &before, &["<new>"]);
                // As the README says.
                for options in [&["-r"][..], &[]] {
                    let again = [&ALTMOVE[..1], options, &ALTMOVE[1..]].concat();
                    let output = site.dovecot.doveadm(&again).expect("doveadm");
                    assert!(output.status.success(), "{output:?}");
                }
                assert!(!mails(&site).join("u.6").exists(), "it can be moved afterwards");
            }
        });
    }
}

/// While the first of three mails is moved.
#[test]
#[ignore = "needs root: real Dovecot"]
fn altmove_holds_alternate_storage_and_never_goes_on_underneath() {
    for (guard, lazily) in [(Guard::Stock, false), (Guard::Guarded, false), (Guard::Guarded, true)] {
        lab!(&format!("{guard:?}, lazily {lazily}"), |lab| {
            let (site, before) = site(lab, guard);
            let (file, trace) = (mails(&site).join("u.4"), lab.path("trace"));
            let altmove = traced(&site, &trace, &file, "unlink:delay_enter=4s", &ALTMOVE);
            alternate_storage_goes_meanwhile(&site, &before, (guard, lazily), &trace, altmove);
        });
    }
}

/// While the first of the mails in primary storage is read: those in alternate storage come last.
#[test]
#[ignore = "needs root: real Dovecot"]
fn rebuild_that_nobody_asked_for_holds_alternate_storage() {
    const LOOK: [&str; 4] = ["index", "-u", "bob", "INBOX"];
    for (guard, lazily) in [(Guard::Stock, false), (Guard::Guarded, false), (Guard::Guarded, true)] {
        lab!(&format!("{guard:?}, lazily {lazily}"), |lab| {
            let (site, before) = site(lab, guard);
            mark_index_as_repaired(&site);
            let (file, trace) = (mails(&site).join("u.6"), lab.path("trace"));
            let looking = traced(&site, &trace, &file, "openat:delay_enter=4s:when=1", &LOOK);
            alternate_storage_goes_meanwhile(&site, &before, (guard, lazily), &trace, looking);
        });
    }
}
