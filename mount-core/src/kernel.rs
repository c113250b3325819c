//! What the running kernel offers, found out once by asking it.
//!
//! Asked of the kernel rather than read from its version: distributions backport, and sandboxes filter.

use nix::errno::Errno;

use crate::sys::{self, At, IdKind};

/// The newer calls that detection and walking use when they are there. `docs/kernel-features.md` lists what is
/// done in their stead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// The best mount id that `statx` fills in.
    pub id: IdKind,
    /// `statx` tells mount roots.
    pub mount_root: bool,
    /// `statmount` by unique id.
    pub statmount: bool,
    /// `openat2` with `RESOLVE_CACHED`.
    pub openat2: bool,
}

impl Kernel {
    /// Asks with four calls on `/`, which exists and answers in every mount namespace.
    pub(crate) fn probe() -> Kernel {
        let unique = sys::look(At::Cwd, b"/", IdKind::Unique).ok().and_then(|root| root.mount_id);
        let reused = sys::look(At::Cwd, b"/", IdKind::Reused).ok();
        let id = match (unique, reused.and_then(|root| root.mount_id)) {
            (Some(_), _) => IdKind::Unique,
            (None, Some(_)) => IdKind::Reused,
            (None, None) => IdKind::None,
        };
        Kernel {
            id,
            mount_root: reused.is_some_and(|root| root.mount_root.is_some()),
            statmount: unique.is_some_and(sys::mount_exists),
            openat2: matches!(
                sys::openat2(At::Cwd, b"/", libc::O_PATH, 0, libc::RESOLVE_CACHED),
                Ok(_) | Err(Errno::EAGAIN)
            ),
        }
    }
}
