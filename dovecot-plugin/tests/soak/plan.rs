//! Where mail lies, and when which filesystem goes: all that a seed decides before a run begins.

use std::fmt::Write;
use std::time::Duration;

use fixtures::dovecot::{Format, Role};

use crate::random::Random;
use crate::scale::Scale;

/// The seed of all runs unless `MOUNTGUARD_SOAK_SEED` is another.
const SEED: u64 = 20_251_124;

/// What tells this stream of random numbers from those of sessions, which have low numbers.
const OUTAGES: u64 = 1 << 32;

/// Of a hundred outages so many are over at once: then a filesystem goes and comes while work goes on in it.
const SHORT: usize = 40;
const AT_ONCE: [Duration; 2] = [Duration::ZERO, Duration::from_millis(60)];

pub(crate) fn seed() -> u64 {
    std::env::var("MOUNTGUARD_SOAK_SEED").map_or(SEED, |seed| seed.parse().expect("a number"))
}

/// One filesystem goes, and comes again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) at: Duration,
    pub(crate) lasting: Duration,
}

/// The outages of one mountpoint, in their order.
pub(crate) fn outages(seed: u64, scale: &Scale, mountpoint: usize) -> Vec<Outage> {
    let mut random = Random::new(seed, OUTAGES + mountpoint as u64);
    let mut outages = Vec::new();
    let mut at = random.between(Duration::ZERO, scale.present[1]);
    while at < scale.length {
        let [low, high] = if random.percent(SHORT) { AT_ONCE } else { scale.away };
        let lasting = random.between(low, high);
        outages.push(Outage { at, lasting });
        at += lasting + random.between(scale.present[0], scale.present[1]);
    }
    outages
}

/// A line for each mountpoint, with when it goes and for how long.
pub(crate) fn schedule(seed: u64, scale: &Scale) -> String {
    let mut text = format!("seed {seed}, {scale:?}\n");
    for mountpoint in 0..scale.mountpoints {
        let _ = write!(text, "m{mountpoint}:");
        for Outage { at, lasting } in outages(seed, scale, mountpoint) {
            let _ = write!(text, " {:.3}+{:.3}", at.as_secs_f32(), lasting.as_secs_f32());
        }
        text.push('\n');
    }
    text
}

/// The roles that mail of this format has in a soak; without the home, in which no script lies.
pub(crate) fn roles(format: Format) -> &'static [Role] {
    match format {
        Format::Mdbox | Format::Sdbox => &[Role::Mail, Role::Index, Role::Alt],
        Format::Maildir | Format::MaildirFs => &[Role::Mail, Role::Index, Role::Control],
        Format::Mbox => &[Role::Mail, Role::Index, Role::Inbox],
    }
}

/// The mountpoint, by its number, that a user's role is on. Each holds several users; with many of them more than
/// one role goes away when it does, with many others one only.
pub(crate) fn place(user: usize, role: Role, mountpoints: usize) -> usize {
    let distance = match role {
        Role::Index if user % 3 == 0 => 1,
        Role::Alt if user % 2 == 0 => 3,
        Role::Control if user % 4 == 1 => 2,
        Role::Inbox => 1 + user % 2,
        _ => 0,
    };
    (user + distance) % mountpoints
}

/// Whether the bare directory is sealed where that is done at all: half of them, so that both kinds are in a run.
pub(crate) fn is_sealed(mountpoint: usize) -> bool {
    mountpoint % 2 == 0
}
