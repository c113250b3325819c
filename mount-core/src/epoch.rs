//! A moment of the registry and the mount table that compares with another one.

/// A state of the registry and of the mount table, see [`Mounts::epoch`](crate::Mounts::epoch). Means nothing to
/// another [`Mounts`](crate::Mounts).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    registry: u64,
    table: u64,
}

impl Epoch {
    pub(crate) fn new(registry: u64, table: u64) -> Self {
        Epoch { registry, table }
    }

    pub(crate) fn table(self) -> u64 {
        self.table
    }
}
