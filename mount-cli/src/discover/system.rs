//! What the system's configuration wants mounted, and whether a mail process could see it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mount_core::discovery::{Configuration, Expected};
use mount_core::table::MountTable;
use mount_core::{Directories, Error, Mounts, WhenMissing, probe};
use nix::unistd::{Gid, Uid, User, setgid, setgroups, setuid};

/// The mountpoints of `/etc/fstab` and of systemd mount units that are enabled. What cannot be read says nothing:
/// discovery is not the one to complain of it.
pub(super) fn expected() -> Vec<Expected> {
    let mut expected = Expected::in_fstab(&fs::read("/etc/fstab").unwrap_or_default());
    expected.extend(enabled_units().iter().filter_map(|unit| {
        let name = unit.file_name()?.to_string_lossy();
        Expected::in_unit(&name, &fs::read(unit).ok()?)
    }));
    expected
}

/// The mount units that something wants or requires.
fn enabled_units() -> Vec<PathBuf> {
    let entries =
        |directory: &Path| fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let has_extension = |path: &Path, wanted: &[&str]| {
        path.extension().is_some_and(|found| wanted.iter().any(|extension| found == *extension))
    };
    let wanting =
        entries(Path::new("/etc/systemd/system")).filter(|path| has_extension(path, &["wants", "requires"]));
    wanting.flat_map(|directory| entries(&directory)).filter(|path| has_extension(path, &["mount"])).collect()
}

/// Why a mail process would refuse everything: what it needs cannot be read by a user without privileges. `None`
/// when all is well, or when this process has no privileges to give up.
pub(super) fn blindness(
    configuration: &Configuration,
    directories: &Directories,
    patience: Duration,
) -> Option<String> {
    if !Uid::effective().is_root() {
        return None;
    }
    let name = configuration.mail_user().unwrap_or_else(|| "nobody".to_owned());
    let (user, group) = ids(&name)?;
    // Who cannot become that user, in a user namespace for example, has nothing to say.
    let look = || match become_user(user, group) {
        Ok(()) => see(directories).err().map(|error| error.chain().into_bytes()).unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    match probe::ask(patience, look) {
        Ok(why) if why.is_empty() => None,
        Ok(why) => Some(format!("the mail user {name}: {}", String::from_utf8_lossy(&why))),
        Err(error) => Some(format!("the mail user {name}: {}", error.chain())),
    }
}

fn ids(name: &str) -> Option<(Uid, Gid)> {
    if let Ok(number) = name.parse() {
        return Some((Uid::from_raw(number), Gid::from_raw(number)));
    }
    User::from_name(name).ok().flatten().map(|user| (user.uid, user.gid))
}

fn become_user(user: Uid, group: Gid) -> nix::Result<()> {
    setgroups(&[]).and_then(|()| setgid(group)).and_then(|()| setuid(user))
}

/// Reads what every guard reads.
fn see(directories: &Directories) -> Result<(), Error> {
    Mounts::open(directories, WhenMissing::NothingRegistered)?;
    MountTable::of_self().map(|_| ())
}
