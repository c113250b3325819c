//! Mountpoints that come and go as planned.

use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::plan::{Outage, outages};
use crate::site::Site;
use crate::tally::{Absence, Span};

/// How filesystems are unmounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Umount {
    /// As `umount` does, which is refused while something is in use.
    Plain,
    /// As `umount -l` does, in the middle of whatever goes on.
    Lazy,
}

/// What `umount` rests when it is busy.
const AGAIN: Duration = Duration::from_millis(5);

/// How often it is busy before clients are asked to leave: they hold their indexes open as long as they are there.
const ALONE: usize = 20;

/// Takes one filesystem away and brings it back until the run is over; then it is there.
pub(crate) fn change(site: &Site, clock: &Clock, seed: u64, mountpoint: usize, umount: Umount) {
    let mount = &site.mounts[mountpoint];
    for Outage { at, lasting } in outages(seed, &site.scale, mountpoint) {
        if !clock.rest_until(at) {
            return;
        }
        let from = match umount {
            Umount::Plain => take_away_when_idle(site, clock, mountpoint),
            Umount::Lazy => {
                let from = Instant::now();
                mount.take_away_lazily();
                Some(from)
            }
        };
        let Some(from) = from else { return };
        clock.rest(lasting);
        mount.bring_back();
        site.tally.say(clock, from, &format!("m{mountpoint} was away"));
        site.tally.counts().absences.push(Absence { mountpoint, span: Span::until_now(from) });
    }
}

/// Unmounts it as soon as it is not busy. When that began which succeeded; `None` when the run was over before.
fn take_away_when_idle(site: &Site, clock: &Clock, mountpoint: usize) -> Option<Instant> {
    let mut busy = 0;
    let began = loop {
        let from = Instant::now();
        if site.mounts[mountpoint].take_away_unless_busy() {
            break Some(from);
        }
        busy += 1;
        site.set_leaving(mountpoint, busy > ALONE);
        if !clock.rest(AGAIN) {
            break None;
        }
    };
    site.set_leaving(mountpoint, false);
    site.tally.counts().busy += busy;
    began
}
