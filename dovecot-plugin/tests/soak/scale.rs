//! How long it goes on, and with how many.

use std::time::Duration;

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) sessions: usize,
    pub(crate) users: usize,
    pub(crate) mountpoints: usize,
    /// Connections that deliver mail, beside the sessions.
    pub(crate) senders: usize,
    pub(crate) length: Duration,
    /// What a client waits between two commands.
    pub(crate) think: [Duration; 2],
    /// How long a filesystem stays, and how long it is away.
    pub(crate) present: [Duration; 2],
    pub(crate) away: [Duration; 2],
    /// So many crashes say nothing about how frequent they are.
    pub(crate) few_crashes: usize,
}

impl Scale {
    /// All of it when `MOUNTGUARD_FULL` is set, a few seconds otherwise.
    pub(crate) fn from_environment() -> Scale {
        if std::env::var_os("MOUNTGUARD_FULL").is_some() { FULL } else { LITTLE }
    }
}

const FULL: Scale = Scale {
    sessions: 200,
    users: 50,
    mountpoints: 10,
    senders: 8,
    length: Duration::from_secs(300),
    think: milliseconds(500, 4000),
    present: milliseconds(3000, 15000),
    away: milliseconds(300, 5000),
    few_crashes: 0,
};

const LITTLE: Scale = Scale {
    sessions: 24,
    users: 10,
    mountpoints: 4,
    senders: 2,
    length: Duration::from_secs(6),
    think: milliseconds(50, 400),
    present: milliseconds(300, 1200),
    away: milliseconds(100, 600),
    few_crashes: 2,
};

const fn milliseconds(low: u64, high: u64) -> [Duration; 2] {
    [Duration::from_millis(low), Duration::from_millis(high)]
}
