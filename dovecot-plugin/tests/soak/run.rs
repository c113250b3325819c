//! A run: everybody at once, for as long as it takes.

use std::thread::{Builder, Scope, ScopedJoinHandle, scope};

use crate::client::Client;
use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::plan::seed;
use crate::senders::{administrate, send};
use crate::site::Site;
use crate::weather::{Umount, change};

/// What must be there afterwards: a user, and what one client or sender knows.
pub(crate) type Known = Vec<(usize, Ledger)>;

/// Lets all clients, senders and outages loose on all of these sites at once, each site in the same order; what must
/// be there, by site.
pub(crate) fn run(sites: &[&Site], umount: Umount) -> Vec<Known> {
    let clock = Clock::start();
    scope(|scope| {
        let begun: Vec<_> = sites.iter().map(|site| begin(scope, site, &clock, umount)).collect();
        clock.rest(sites[0].scale.length);
        clock.stop();
        let ended = |handles: Vec<ScopedJoinHandle<'_, Known>>| {
            handles.into_iter().flat_map(|handle| handle.join().expect("nobody fails")).collect()
        };
        begun.into_iter().map(ended).collect()
    })
}

fn begin<'scope>(
    scope: &'scope Scope<'scope, '_>,
    site: &'scope Site,
    clock: &'scope Clock,
    umount: Umount,
) -> Vec<ScopedJoinHandle<'scope, Known>> {
    let seed = seed();
    let mut handles = Vec::new();
    for number in 0..site.scale.sessions {
        handles.push(start(scope, move || vec![Client::new(site, clock, seed, number).work()]));
    }
    for number in 0..site.scale.senders {
        handles.push(start(scope, move || send(site, clock, seed, number)));
    }
    for mountpoint in 0..site.scale.mountpoints {
        handles.push(start(scope, move || {
            change(site, clock, seed, mountpoint, umount);
            Vec::new()
        }));
    }
    handles.push(start(scope, move || {
        administrate(site, clock, seed);
        Vec::new()
    }));
    handles
}

/// Starts a thread that needs little, since there are hundreds.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> Known + Send + 'scope,
) -> ScopedJoinHandle<'scope, Known> {
    Builder::new().stack_size(512 << 10).spawn_scoped(scope, work).expect("a thread")
}
