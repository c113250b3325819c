//! POP3, whose server makes up what it is not given, and cannot say "later" of a single mail.

mod support;

use std::fs;
use std::io;
use std::os::unix::fs::chown;

use fixtures::client::pop3::{Pop3, Reply};
use fixtures::dovecot::{Format, PASSWORD, Role, underneath};
use fixtures::lab;
use support::{Guard, Site, fill};

fn session(site: &Site) -> (Pop3, Reply) {
    let mut pop3 = site.dovecot.pop3().expect("POP3");
    let reply = pop3.login("bob", PASSWORD).expect("an answer to PASS");
    (pop3, reply)
}

/// A UIDL as Dovecot was given it by the server that had the mails before.
fn migrated(number: usize) -> String {
    format!("migrated-{number}")
}

/// Gives each mail of the INBOX a UIDL of its own, as a migration does.
fn migrate_uidls(site: &Site) {
    let uidlist = site.dovecot.store().path(Role::Control, "bob").join(".INBOX/dovecot-uidlist");
    let text = fs::read_to_string(&uidlist).expect("the INBOX was synchronised");
    let mut lines = text.lines();
    let mut migrated_text = format!("{}\n", lines.next().expect("a header"));
    for (number, line) in lines.enumerate() {
        let (uid, rest) = line.split_once(' ').expect("a mail");
        migrated_text.push_str(&format!("{uid} P{} {rest}\n", migrated(number + 1)));
    }
    fs::write(&uidlist, migrated_text).expect("write the uidlist");
    chown(&uidlist, Some(5000), Some(5000)).expect("chown");
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn uidls_of_a_migration_are_neither_replaced_nor_made_up_while_refused() {
    lab!(|lab| {
        let site = Site::start_with(lab, Format::Maildir, Guard::Guarded, |config| {
            config.extra.push_str("protocol pop3 {\n  pop3_save_uidl = yes\n}\n");
        });
        fill(&site.dovecot);
        assert!(site.dovecot.await_quiet());
        migrate_uidls(&site);
        let refused = || {
            site.set_state(Role::Mail, "online");
            let (mut pop3, login) = session(&site);
            assert!(login.ok && pop3.command("STAT").expect("POP3").ok, "{login:?}");
            site.set_state(Role::Mail, "offline");
            pop3
        };
        let one = refused().command("UIDL 1").expect("POP3");
        assert!(!one.ok && one.text.starts_with("[SYS/TEMP]"), "{one:?}");
        // The server says +OK before it looks; a list without an end is none.
        let all = refused().retrieve("UIDL").expect_err("a list that ends").kind();
        assert_eq!(all, io::ErrorKind::UnexpectedEof);
        site.set_state(Role::Mail, "online");
        assert!(site.dovecot.await_quiet());
        let (mut pop3, _) = session(&site);
        let (reply, lines) = pop3.retrieve("UIDL").expect("POP3");
        assert!(reply.ok, "{reply:?}");
        let lines = String::from_utf8(lines).expect("text");
        let uidls: Vec<&str> = lines.lines().filter_map(|line| line.split(' ').nth(1)).collect();
        assert_eq!(uidls, (1..=6).map(migrated).collect::<Vec<_>>());
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn refused_session_is_ended_and_no_other_one_of_its_process() {
    lab!(|lab| {
        let site = Site::start_with(lab, Format::Maildir, Guard::Guarded, |config| {
            config.extra.push_str(
                "service pop3 {\n  client_limit = 5\n  process_limit = 1\n  service_count = 0\n}\n",
            );
        });
        fill(&site.dovecot);
        let [mut refused, mut other] = [(), ()].map(|()| session(&site).0);
        // Answered only once the mailbox is open.
        assert!(refused.command("STAT").expect("POP3").ok && other.command("STAT").expect("POP3").ok);
        site.set_state(Role::Mail, "offline");
        let answer = refused.retrieve("RETR 1").expect("POP3").0;
        assert!(!answer.ok && answer.text.starts_with("[SYS/TEMP]"), "{answer:?}");
        let end = refused.command("NOOP").map_err(|error| error.kind());
        assert_eq!(end.expect_err("it was ended"), io::ErrorKind::UnexpectedEof);
        assert!(other.command("NOOP").expect("the other one goes on").ok);
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn session_lock_is_not_made_underneath() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            let site = Site::start_with(lab, Format::Maildir, guard, |config| {
                config.extra.push_str("protocol pop3 {\n  pop3_lock_session = yes\n}\n");
            });
            fill(&site.dovecot);
            assert!(site.dovecot.await_quiet());
            site.take_away(Role::Index);
            let (_, login) = session(&site);
            site.mount(Role::Index).bring_back();
            let strays = underneath(site.mount(Role::Index).path()).expect("looked underneath");
            if guard == Guard::Stock {
                assert!(!strays.is_empty(), "{login:?}");
                return;
            }
            assert!(!login.ok && login.text.starts_with("[SYS/TEMP]"), "{login:?}");
            assert_eq!(strays, [] as [std::path::PathBuf; 0]);
            assert!(session(&site).1.ok, "when it is back");
        });
    }
}
