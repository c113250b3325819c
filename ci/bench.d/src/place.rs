//! Where it is measured: filesystems below one directory, with so many mounts and so many registered mountpoints.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::lab::Fuse;
use mount_core::registry::{Entry, Pattern, Store};
use mount_core::{Directories, Mounts, State, WhenMissing};
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{Pid, getpid, pipe2, setpgid};

/// Below it everything is built, on a tmpfs that hides what is there outside.
pub(crate) const ROOT: &str = "/srv";

/// All of it, until it is dropped.
pub(crate) struct Place {
    fuse: Fuse,
}

impl Drop for Place {
    /// All else is gone with the namespaces that `ci/bench` made; the server of this one would be the last to know.
    fn drop(&mut self) {
        self.fuse.take_away_lazily();
    }
}

/// Builds all of it.
///
/// # Panics
/// Outside of namespaces of its own, and without root: the ext4 needs a loop device.
pub(crate) fn build() -> Place {
    assert_eq!(getpid().as_raw(), 1, "this is to run in namespaces of its own: run ci/bench");
    // The group that it was started in has no number here.
    setpgid(Pid::this(), Pid::this()).expect("a process group");
    mount_tmpfs(Path::new(ROOT));
    // As on a machine in use: what survives a boot lies on a disk, what doesn't in memory.
    mount_ext4(&directories().state);
    fs::create_dir_all(directories().run).expect("a directory for the registry");
    mount_ext4(&mail());
    mount_tmpfs(&changing());
    mount_tmpfs(&other());
    mount_below_automount(&below_automount());
    fs::create_dir_all(mail().join("bob")).expect("a user's directory");
    fs::create_dir_all(deep()).expect("a deep directory");
    symlink(mail(), Path::new(ROOT).join("link")).expect("a symlink");
    Place { fuse: mount_below_fuse() }
}

/// The mountpoint that is asked about: an ext4, as mail lies on one.
pub(crate) fn mail() -> PathBuf {
    Path::new(ROOT).join("mail")
}

/// A mountpoint whose path leads through a filesystem that might not answer.
pub(crate) fn below_automount() -> PathBuf {
    Path::new(ROOT).join("automount")
}

/// A mountpoint within a filesystem that a user's process serves.
pub(crate) fn below_fuse() -> PathBuf {
    Path::new(ROOT).join("fuse/inner")
}

/// A mountpoint in memory.
pub(crate) fn other() -> PathBuf {
    Path::new(ROOT).join("other")
}

/// A path at depth 4 of which half is to be created.
pub(crate) fn new() -> PathBuf {
    mail().join("new/mailboxes")
}

/// A mountpoint that comes and goes.
pub(crate) fn changing() -> PathBuf {
    Path::new(ROOT).join("changing")
}

/// A directory at depth 30.
pub(crate) fn deep() -> PathBuf {
    let mut path = mail();
    path.extend((3..=30).map(|depth| format!("d{depth}")));
    path
}

pub(crate) fn directories() -> Directories {
    Directories { state: Path::new(ROOT).join("state"), run: Path::new(ROOT).join("run") }
}

/// Mounts more until there are so many in all.
pub(crate) fn mount_up_to(count: usize) {
    let there = fs::read_to_string("/proc/self/mountinfo").expect("the mount table").lines().count();
    for number in there..count {
        mount_tmpfs(&Path::new(ROOT).join(format!("others/{number}")));
    }
}

/// A registry of so many mountpoints and the others that are asked about, which come last.
pub(crate) fn register(count: usize) -> Mounts {
    for directory in [directories().state, directories().run] {
        fs::remove_file(directory.join("mounts")).ok();
    }
    let fill = Store::new(directories()).update(|list| {
        for number in 1..count {
            list.insert(online(&tenant(number)))?;
        }
        for mountpoint in [changing(), other(), below_automount(), below_fuse()] {
            list.insert(online(&mountpoint))?;
        }
        list.insert(online(&mail()))
    });
    fill.expect("register");
    open()
}

/// The registry as it is.
pub(crate) fn open() -> Mounts {
    Mounts::open(&directories(), WhenMissing::Refuse).expect("open the registry")
}

/// One of the mountpoints that nobody asks about.
pub(crate) fn tenant(number: usize) -> PathBuf {
    Path::new(ROOT).join(format!("tenants/domain-{number}.example/mail"))
}

pub(crate) fn online(path: &Path) -> Entry<'static> {
    Entry::new(Pattern::parse(path).expect("a path to register").into_owned(), State::Online)
}

pub(crate) fn mount_tmpfs(at: &Path) {
    fs::create_dir_all(at).expect("a mountpoint");
    mount(Some("bench"), at, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("mount a tmpfs");
}

pub(crate) fn unmount(at: &Path) {
    umount2(at, MntFlags::MNT_DETACH).expect("unmount");
}

fn mount_ext4(at: &Path) {
    // On a disk, where there is one: /tmp may be memory. The loop device keeps the file that has no name any more.
    let image = tempfile::NamedTempFile::new_in("/var/tmp").expect("an image");
    image.as_file().set_len(64 << 20).expect("extend the image");
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image.path()));
    fs::create_dir_all(at).expect("a mountpoint");
    run(Command::new("mount").args(["-o", "loop"]).arg(image.path()).arg(at));
}

/// A direct automount, triggered: this process is in the group of its daemon and mounts on it without waiting.
fn mount_below_automount(at: &Path) {
    fs::create_dir_all(at).expect("a mountpoint");
    let (_reader, writer) = pipe2(OFlag::empty()).expect("a pipe");
    let options = format!("fd={},pgrp={},minproto=5,maxproto=5,direct", writer.as_raw_fd(), getpid());
    mount(Some("bench"), at, Some("autofs"), MsFlags::empty(), Some(options.as_str()))
        .expect("mount an autofs");
    mount(Some("bench"), at, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("mount on the autofs");
}

fn mount_below_fuse() -> Fuse {
    let filesystem = Path::new(ROOT).join("fuse");
    fs::create_dir_all(&filesystem).expect("a mountpoint");
    let fuse = Fuse::mount(filesystem);
    mount(Some("bench"), &fuse.inner(), Some("tmpfs"), MsFlags::empty(), None::<&str>)
        .expect("mount in FUSE");
    fuse
}

pub(crate) fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
