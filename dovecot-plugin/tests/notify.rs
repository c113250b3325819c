//! A client that asked to be told of changes (RFC 5465) when a filesystem goes away: it is told nothing that isn't
//! true, and of everything that changed once the filesystem is back.

mod support;

use std::time::{Duration, Instant};

use fixtures::client::imap::{Imap, Reply};
use fixtures::dovecot::{Format, Role, underneath};
use fixtures::lab;
use fixtures::lab::Lab;
use support::{Guard, Site, fill, message};

const EVERYTHING: &str =
    "NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))";

/// Longer than Dovecot takes to look itself, and to collect changes.
const PATIENCE: Duration = Duration::from_secs(60);

fn site(lab: &Lab, format: Format, guard: Guard) -> Site {
    // A process that waits for the next delivery would hold filesystems.
    let once = "service lmtp {\n  service_count = 1\n}\n";
    let site = Site::start_with(lab, format, guard, |config| config.extra.push_str(once));
    fill(&site.dovecot);
    site
}

fn command(imap: &mut Imap, command: &str) -> Reply {
    imap.command(command).unwrap_or_else(|error| panic!("the session goes on after {command}: {error}"))
}

/// Whether NOOP tells the size of a mailbox before long.
fn is_told(imap: &mut Imap) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if command(imap, "NOOP").responses("STATUS").count() > 0 {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn deliver(site: &Site, id: &str) -> bool {
    let replies = site.dovecot.lmtp().expect("LMTP").deliver(&["bob"], &message(id)).expect("LMTP");
    replies[0].accepted()
}

/// Nothing that can be told of mailboxes in an outage is true.
fn assert_told_nothing(reply: &Reply) {
    for kind in ["STATUS", "LIST", "EXPUNGE", "EXISTS"] {
        assert_eq!(reply.responses(kind).count(), 0, "{reply:?}");
    }
}

fn through_an_outage(lab: &Lab, format: Format, away: Role, select: bool) {
    let site = site(lab, format, Guard::Guarded);
    let mut imap = site.dovecot.imap("bob").expect("login");
    assert!(command(&mut imap, EVERYTHING).is_ok());
    if select {
        assert!(command(&mut imap, "SELECT Archive").is_ok());
    }
    assert!(deliver(&site, "first"));
    assert!(is_told(&mut imap), "{}", site.dovecot.log());
    // This one is not told yet when the filesystem goes away.
    assert!(deliver(&site, "second"));
    site.take_away(away);
    assert!(!deliver(&site, "third"), "{}", site.dovecot.log());
    for _ in 0..3 {
        assert_told_nothing(&command(&mut imap, "NOOP"));
    }
    let mut other = site.dovecot.imap("bob").expect("login");
    let answer = command(&mut other, EVERYTHING).answer();
    assert!(answer.starts_with("NO [UNAVAILABLE] "), "{answer}");
    for harmless in ["NOTIFY SET (selected (MessageNew MessageExpunge))", "NOTIFY NONE"] {
        assert!(command(&mut other, harmless).is_ok(), "{harmless}");
    }
    drop(other);
    assert_eq!(underneath(site.mount(away).path()).expect("look").len(), 0);
    site.mount(away).bring_back();
    assert!(deliver(&site, "fourth"));
    assert!(is_told(&mut imap), "{}", site.dovecot.log());
    // An index of mailboxes that was looked for in the outage would count as deleted for the rest of the session.
    assert!(command(&mut imap, "CREATE New").is_ok());
    assert_eq!(command(&mut imap, "LIST \"\" *").responses("LIST").count(), 3, "{}", site.dovecot.log());
    drop(imap);
    assert!(site.dovecot.await_quiet(), "the session ends");
    assert_eq!(site.dovecot.crashes(), Vec::<String>::new());
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn client_that_is_notified_is_told_the_truth_through_an_outage() {
    for (format, roles) in
        [(Format::Mdbox, [Role::Index, Role::Mail]), (Format::Maildir, [Role::Index, Role::Control])]
    {
        for away in roles {
            for select in [false, true] {
                lab!(&format!("{format:?} {away:?} {select}"), |lab| through_an_outage(
                    lab, format, away, select
                ));
            }
        }
    }
}

/// What the client is told of there is made for the occasion.
#[test]
#[ignore = "needs root: real Dovecot"]
fn asking_to_be_notified_makes_nothing_with_the_guard_only() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            let site = site(lab, Format::Mdbox, guard);
            let mut imap = site.dovecot.imap("bob").expect("login");
            site.take_away(Role::Index);
            let is_ok = imap.command(EVERYTHING).is_ok_and(|reply| reply.is_ok());
            let strays = underneath(site.mount(Role::Index).path()).expect("look").len();
            assert_eq!(
                (is_ok, strays > 0),
                (guard == Guard::Stock, guard == Guard::Stock),
                "{strays} strays"
            );
        });
    }
}
