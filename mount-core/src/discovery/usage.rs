//! How mail processes tell which filesystems they use, without being trusted.
//!
//! The run directory has one *button* for each mount that may hold mail and that nobody registered: a socket inode
//! that nothing listens on, with a name made from the mountpoint. A mail process presses the buttons of the
//! directories that its store lies in, that is, it sets their modification time to now. [`Buttons::pressed`] then
//! goes through the mount table and looks for its mounts' buttons.
//!
//! What such a report can do is limited by what it is. It has no content, so that there is nothing to believe or to
//! misread: no path, no symlink. It names a mount that root saw, or nothing. Telling it again changes nothing, so
//! that a million are as one. A socket inode can be neither opened nor written, and the directory is root's, so
//! that no space can be taken. Setting a time on a memory filesystem never waits.
//!
//! Rejected: a spool directory (anybody can fill it), a file (anybody who may write it can make it grow), a pipe
//! or a socket (needs a listener, or forgets), a message queue (one user can keep it full).

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknodat, utimensat};
use nix::sys::time::TimeSpec;

use super::survey::plausible;
use crate::error::Error;
use crate::mounts::Mounts;
use crate::path;
use crate::registry::{Document, Pattern};
use crate::root::Root;
use crate::table::MountTable;

/// More unregistered mounts than this have no button; a directory of the run filesystem should stay small.
const MAX_BUTTONS: usize = 4096;

/// Modification time of a button that nobody has pressed.
const UNPRESSED: TimeSpec = TimeSpec::new(0, 0);

/// The buttons as a mail process sees them.
#[derive(Debug)]
pub struct Usage {
    directory: OwnedFd,
}

impl Usage {
    /// The buttons in a run directory; `None` where there are none.
    #[must_use]
    pub fn open(run_dir: &Path) -> Option<Usage> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        open(&directory(run_dir), flags, Mode::empty()).ok().map(|directory| Usage { directory })
    }

    /// The buttons in the run directory of a registry, from inside of a chroot too; `None` where there are none.
    #[must_use]
    pub fn of(mounts: &Mounts) -> Option<Usage> {
        let (root, run_dir) = mounts.run_dir();
        match root {
            Root::Own => Usage::open(run_dir),
            Root::Kept(_) => {
                let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
                let directory = root.open_kept(&directory(run_dir), flags).ok()?;
                Some(Usage { directory: directory.into() })
            }
        }
    }

    /// Tells that a store lies in this directory, symlinks resolved. Nobody learns whether that worked: it must
    /// neither keep nor fail whoever opens the store.
    pub fn tell(&self, store: &Path) {
        let Ok(store) = path::clean(store) else { return };
        for end in path::prefix_ends(&store) {
            let name = name(&store[..end]);
            let now = TimeSpec::UTIME_NOW;
            let _ = utimensat(&self.directory, name.as_str(), &now, &now, UtimensatFlags::NoFollowSymlink);
        }
    }
}

/// The buttons as root lays them out and reads them.
#[derive(Debug)]
pub struct Buttons {
    directory: PathBuf,
}

impl Buttons {
    /// The buttons of a run directory.
    #[must_use]
    pub fn new(run_dir: &Path) -> Buttons {
        Buttons { directory: directory(run_dir) }
    }

    /// The mountpoints of the table whose buttons were pressed since they were laid out.
    #[must_use]
    pub fn pressed(&self, table: &MountTable) -> Vec<PathBuf> {
        let is_pressed = |mountpoint: &[u8]| {
            let button = fs::symlink_metadata(self.directory.join(name(mountpoint)));
            button.is_ok_and(|button| (button.mtime(), button.mtime_nsec()) != (0, 0))
        };
        let mountpoints = plausible(table).map(|mount| mount.mountpoint.as_slice());
        mountpoints.filter(|at| is_pressed(at)).map(crate::error::path_buf).collect()
    }

    /// Lays out a button for each mount of the table that may hold mail and that the registry doesn't know; takes
    /// the others away. Those that are there and pressed stay so.
    ///
    /// # Errors
    /// [`ErrorKind::Permission`](crate::ErrorKind::Permission) and [`ErrorKind::Io`](crate::ErrorKind::Io) when
    /// the directory cannot be made or changed. Without run directory nothing is done.
    pub fn lay_out(&self, table: &MountTable, document: &Document) -> Result<(), Error> {
        let unknown = plausible(table).filter(|mount| {
            let path = crate::error::path_buf(&mount.mountpoint);
            Pattern::literal(&path).is_ok_and(|at| document.get(&at).is_none() && !document.is_forgotten(&at))
        });
        let wanted: Vec<String> = unknown.take(MAX_BUTTONS).map(|mount| name(&mount.mountpoint)).collect();
        let fail = |cause: io::Error| Error::syscall("lay out buttons in", &self.directory, cause);
        match DirBuilder::new().mode(0o755).create(&self.directory) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(fail(cause)),
            _ => {}
        }
        fs::set_permissions(&self.directory, Permissions::from_mode(0o755)).map_err(fail)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = open(&self.directory, flags, Mode::empty()).map_err(|errno| fail(errno.into()))?;
        for entry in fs::read_dir(&self.directory).map_err(fail)?.flatten() {
            if !wanted.iter().any(|name| entry.file_name() == name.as_str()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        wanted.iter().try_for_each(|name| make(&directory, name)).map_err(|errno| fail(errno.into()))
    }
}

fn directory(run_dir: &Path) -> PathBuf {
    run_dir.join("mounts.used")
}

/// The name of a mountpoint's button: 64 bits of FNV-1a, which stay the same whichever compiler and version the
/// mail process's side was built with. Two mountpoints that share one would at worst be registered together.
fn name(mountpoint: &[u8]) -> String {
    let hash = mountpoint.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Makes a button that can be pressed, unless it is there. It is complete before anybody may press it.
fn make(directory: &OwnedFd, name: &str) -> Result<(), Errno> {
    match mknodat(directory, name, SFlag::S_IFSOCK, Mode::empty(), 0) {
        Ok(()) => {}
        Err(Errno::EEXIST) => return Ok(()),
        Err(errno) => return Err(errno),
    }
    utimensat(directory, name, &UNPRESSED, &UNPRESSED, UtimensatFlags::NoFollowSymlink)?;
    let pressable = Mode::from_bits_truncate(0o222);
    nix::sys::stat::fchmodat(directory.as_fd(), name, pressable, nix::sys::stat::FchmodatFlags::FollowSymlink)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /srv/mail rw - xfs /dev/sdb1 rw
3 1 8:3 / /srv/alt rw - xfs /dev/sdc1 rw
4 1 0:9 / /run rw - tmpfs tmpfs rw
";

    struct Bench {
        run: tempfile::TempDir,
        table: MountTable,
    }

    impl Bench {
        fn laid_out(registry: &[u8]) -> Bench {
            let run = tempfile::tempdir().expect("a run directory");
            let table = MountTable::parse(TABLE).expect("a mount table");
            let document = Document::parse(registry).expect("a registry");
            Buttons::new(run.path()).lay_out(&table, &document).expect("lay out");
            Bench { run, table }
        }

        fn tell(&self, store: &str) {
            Usage::open(self.run.path()).expect("buttons").tell(Path::new(store));
        }

        fn pressed(&self) -> Vec<PathBuf> {
            Buttons::new(self.run.path()).pressed(&self.table)
        }

        fn count(&self) -> usize {
            fs::read_dir(directory(self.run.path())).expect("list the buttons").count()
        }
    }

    const EMPTY: &[u8] = b"# mountguard 1 generation=1\n";

    #[test]
    fn store_presses_the_button_of_the_mount_it_lies_in_and_of_no_other() {
        let bench = Bench::laid_out(EMPTY);
        assert_eq!((bench.count(), bench.pressed()), (2, vec![]));
        bench.tell("/srv/mail/example.org/bob");
        assert_eq!(bench.pressed(), [Path::new("/srv/mail")]);
    }

    #[test]
    fn registered_and_forgotten_mounts_have_no_button() {
        let bench = Bench::laid_out(b"# mountguard 1 generation=1\nonline /srv/mail\nforgotten /srv/alt\n");
        assert_eq!(bench.count(), 0);
        bench.tell("/srv/mail/bob");
        assert_eq!((bench.count(), bench.pressed()), (0, vec![]));
    }

    #[test]
    fn hostile_reports_leave_nothing_behind() {
        let bench = Bench::laid_out(EMPTY);
        let usage = Usage::open(bench.run.path()).expect("buttons");
        for number in 0..100_000 {
            usage.tell(Path::new(&format!("/no/mount/{number}/../..")));
        }
        for store in ["", "relative", "/run/x", "/", "/srv/alt/../mail/\0", "/srv"] {
            usage.tell(Path::new(store));
        }
        assert_eq!((bench.count(), bench.pressed()), (2, vec![]));
    }

    #[test]
    fn pressed_buttons_stay_pressed_until_their_mount_is_registered() {
        let bench = Bench::laid_out(EMPTY);
        bench.tell("/srv/mail");
        let buttons = Buttons::new(bench.run.path());
        let document = Document::parse(EMPTY).expect("a registry");
        buttons.lay_out(&bench.table, &document).expect("lay out again");
        assert_eq!(bench.pressed(), [Path::new("/srv/mail")]);
        let registered =
            Document::parse(b"# mountguard 1 generation=2\nonline /srv/mail\n").expect("a registry");
        buttons.lay_out(&bench.table, &registered).expect("lay out once more");
        assert_eq!((bench.count(), bench.pressed()), (1, vec![]));
    }

    #[test]
    fn button_of_a_mount_that_went_away_says_nothing() {
        let mut bench = Bench::laid_out(EMPTY);
        bench.tell("/srv/mail");
        bench.table = MountTable::parse(b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n").expect("a mount table");
        assert!(bench.pressed().is_empty());
    }

    #[test]
    fn without_a_run_directory_nothing_is_told_and_nothing_laid_out() {
        let nowhere = Path::new("/nonexistent/run");
        assert!(Usage::open(nowhere).is_none());
        let table = MountTable::parse(TABLE).expect("a mount table");
        Buttons::new(nowhere).lay_out(&table, &Document::default()).expect("nothing to do");
    }
}
