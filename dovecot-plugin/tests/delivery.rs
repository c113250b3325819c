//! Mail that was accepted is there afterwards, however often the filesystem went away while it was delivered.

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::dovecot::{Dovecot, Format, Role, Truth, underneath};
use fixtures::lab;
use support::{Guard, Site, message};

const WRITERS: usize = 4;

/// Delivers until told to stop; the ids of the messages that the server took responsibility for.
fn deliver(dovecot: &Dovecot, writer: usize, stop: &AtomicBool, accepted: &AtomicUsize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{writer}.{number}");
        // A connection that breaks, as at a crash, has accepted nothing.
        let Ok(mut lmtp) = dovecot.lmtp() else { continue };
        let Ok(replies) = lmtp.deliver(&["bob"], &message(&id)) else { continue };
        if replies[0].accepted() {
            ids.push(format!("<{id}>"));
            accepted.fetch_add(1, Ordering::Relaxed);
        }
    }
    ids
}

/// Deliveries while the filesystem comes and goes, until so many were accepted or time is up.
fn accepted_while(site: &Site, wanted: usize, mut outage: impl FnMut()) -> Vec<String> {
    let stop = AtomicBool::new(false);
    let accepted = AtomicUsize::new(0);
    let deadline = Instant::now() + Duration::from_secs(20);
    thread::scope(|scope| {
        let (stop, accepted) = (&stop, &accepted);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || deliver(&site.dovecot, writer, stop, accepted)))
            .collect();
        while accepted.load(Ordering::Relaxed) < wanted && Instant::now() < deadline {
            outage();
        }
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect()
    })
}

fn lost(site: &Site, accepted: &[String]) -> usize {
    // A delivery that failed half-way can leave an index that Dovecot repairs at the first look.
    let ask = || Truth::of(&site.dovecot, "bob");
    let truth = ask().or_else(|_| ask()).or_else(|_| ask()).expect("all can be read");
    accepted.iter().filter(|id| !truth.has(id)).count()
}

/// Lazily unmounts and mounts again, with time between for some deliveries to begin and end.
fn lazy_outage(site: &Site, role: Role) {
    site.take_away(role);
    thread::yield_now();
    site.mount(role).bring_back();
    thread::park_timeout(Duration::from_millis(40));
}

/// Unmounts as `umount` does when nobody is at work there, and mounts again; whether it did.
fn plain_outage(site: &Site, role: Role) -> bool {
    let umount = Command::new("umount").arg(site.mount(role).path()).output().expect("umount");
    if umount.status.success() {
        thread::park_timeout(Duration::from_millis(5));
        site.mount(role).bring_back();
    }
    thread::park_timeout(Duration::from_millis(5));
    umount.status.success()
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn lazy_unmounts_in_the_middle_of_deliveries_lose_mail_without_the_guard_only() {
    for format in [Format::Mdbox, Format::Sdbox, Format::Maildir] {
        for guard in [Guard::Stock, Guard::Guarded] {
            lab!(&format!("{format:?} {guard:?}"), |lab| {
                let site = Site::start(lab, format, guard);
                let accepted = accepted_while(&site, 400, || lazy_outage(&site, Role::Mail));
                let lost = lost(&site, &accepted);
                assert!(accepted.len() > 50, "hardly anything was accepted: {}", site.dovecot.log());
                assert_eq!(
                    lost == 0,
                    guard == Guard::Guarded,
                    "{format:?} {guard:?}: {lost} of {}",
                    accepted.len()
                );
                if guard == Guard::Guarded {
                    assert_eq!(site.dovecot.crashes(), Vec::<String>::new());
                }
            });
        }
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn index_that_comes_and_goes_loses_no_accepted_mail() {
    for format in [Format::Mdbox, Format::Sdbox, Format::Maildir, Format::Mbox] {
        lab!(&format!("{format:?}"), |lab| {
            let site = Site::start(lab, format, Guard::Guarded);
            let accepted = accepted_while(&site, 300, || lazy_outage(&site, Role::Index));
            assert!(accepted.len() > 50, "hardly anything was accepted: {}", site.dovecot.log());
            assert_eq!(lost(&site, &accepted), 0, "{format:?} of {}", accepted.len());
        });
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn plain_unmounts_wait_for_deliveries_and_nothing_goes_underneath() {
    for format in [Format::Mdbox, Format::Sdbox, Format::Maildir] {
        lab!(&format!("{format:?}"), |lab| {
            let site = Site::start(lab, format, Guard::Guarded);
            let mut outages = [0; 2];
            let accepted = accepted_while(&site, 300, || {
                outages[usize::from(plain_outage(&site, Role::Mail))] += 1;
            });
            assert!(outages.iter().all(|count| *count > 0), "busy and not: {outages:?}");
            assert!(accepted.len() > 50, "hardly anything was accepted: {}", site.dovecot.log());
            assert_eq!(lost(&site, &accepted), 0, "{format:?} of {}", accepted.len());
            let stray = underneath(site.mount(Role::Mail).path()).expect("look underneath");
            assert_eq!(stray, Vec::<PathBuf>::new());
            assert_eq!(site.dovecot.crashes(), Vec::<String>::new());
        });
    }
}
