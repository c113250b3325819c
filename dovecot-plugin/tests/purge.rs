//! What forgets mails whose file it doesn't find holds the mounts meanwhile, and forgets nothing when one is detached.

mod support;

use std::process::Output;
use std::thread;

use fixtures::dovecot::{Format, Role, Truth, losses};
use fixtures::lab;
use fixtures::lab::Lab;
use support::locked::{Locked, SETTING};
use support::{Guard, Site, fill};

/// mdbox with two mails expunged, one in primary and one in alternate storage: in each a file to be purged that has
/// other mails in it.
fn site(lab: &Lab, guard: Guard) -> Site {
    let site = Site::start_with(lab, Format::Mdbox, guard, |config| config.extra.push_str(SETTING));
    fill(&site.dovecot);
    let mut imap = site.dovecot.imap("bob").expect("login");
    for command in ["SELECT INBOX", "STORE 2,6 +FLAGS (\\Deleted)", "EXPUNGE"] {
        assert!(imap.command(command).expect("IMAP").is_ok(), "{command}");
    }
    drop(imap);
    assert!(site.dovecot.await_quiet(), "the session ends");
    site
}

/// Runs `doveadm` and, where it waits for the lock on the map, the interruption.
fn interrupted(site: &Site, arguments: &[&str], interruption: impl FnOnce()) -> Output {
    let map = site.dovecot.store().path(Role::Index, "bob").join("storage/dovecot.map.index.log");
    let lock = Locked::new(&map);
    thread::scope(|scope| {
        let running = scope.spawn(|| site.dovecot.doveadm(arguments).expect("doveadm"));
        lock.await_waiting();
        interruption();
        lock.unlock();
        running.join().expect("doveadm ends")
    })
}

const PURGE: [&str; 3] = ["purge", "-u", "bob"];
const RESYNC: [&str; 4] = ["force-resync", "-u", "bob", "INBOX"];

/// Whether the map has lost mails, which shows when they are read, and how many mails that has cost.
fn damage(site: &Site, before: &Truth) -> (bool, usize) {
    let after = site.recovered();
    (site.dovecot.log().contains("map.index corrupted"), losses(before, &after, &[]).len())
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn filesystem_is_not_unmounted_in_the_middle_of_a_purge() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            let site = site(lab, guard);
            let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
            let mut gone = false;
            let output = interrupted(&site, &PURGE, || gone = site.mount(Role::Mail).take_away_unless_busy());
            assert_eq!(gone, guard == Guard::Stock, "{output:?}");
            if gone {
                site.mount(Role::Mail).bring_back();
            }
            // Stock says so as well.
            assert!(output.status.success(), "{output:?}");
            let (corrupted, lost) = damage(&site, &before);
            assert_eq!(corrupted, guard == Guard::Stock, "{output:?}");
            assert!(guard == Guard::Stock || lost == 0, "{lost} lost");
        });
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn nothing_is_forgotten_when_a_filesystem_is_detached_in_the_middle() {
    for (arguments, away) in [(&PURGE[..], Role::Mail), (&RESYNC[..], Role::Alt)] {
        for guard in [Guard::Stock, Guard::Guarded] {
            lab!(&format!("{} {guard:?}", arguments[0]), |lab| {
                let site = site(lab, guard);
                let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
                let output = interrupted(&site, arguments, || site.take_away(away));
                site.mount(away).bring_back();
                let (corrupted, lost) = damage(&site, &before);
                let what = format!("{corrupted} {lost} {output:?}\n{}", site.dovecot.log());
                if guard == Guard::Stock {
                    assert!(corrupted || lost > 0, "{what}");
                    return;
                }
                assert!(!corrupted && lost == 0, "{what}");
                assert_eq!(output.status.code(), Some(75), "{what}");
                // A purge that finds what the other has copied rebuilds first, now that all is there.
                let done = |_: &usize| site.dovecot.doveadm(arguments).expect("doveadm").status.success();
                assert!((0..2).find(done).is_some(), "{what}");
                assert_eq!(damage(&site, &before).1, 0, "{what}");
            });
        }
    }
}
