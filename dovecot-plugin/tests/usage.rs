//! A filesystem that only mail processes know of is registered, because they tell.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::PathBuf;
use std::process::Command;

use fixtures::dovecot::{Format, Role};
use fixtures::lab;
use fixtures::lab::Lab;
use support::built::mountguard;
use support::{Guard, Site, message};

const MAIL_USER: u32 = 5000;

/// A site on which bob's mail was moved to a disk that neither configuration nor user database name, with a symlink
/// left in its place.
struct Moved {
    site: Site,
    disk: PathBuf,
    mountguard: PathBuf,
}

impl Moved {
    fn new(lab: &Lab) -> Moved {
        // Not in the laboratory, which lies in a place where mail is only when a setting says so.
        let disk = lab.ext4("/srv").path().to_owned();
        let site = Site::start(lab, Format::Maildir, Guard::Guarded);
        let bob = disk.join("bob");
        fs::create_dir(&bob).expect("a directory on the disk");
        chown(&bob, Some(MAIL_USER), Some(MAIL_USER)).expect("chown");
        symlink(&bob, site.dovecot.store().path(Role::Mail, "bob")).expect("a symlink");
        Moved { site, disk, mountguard: mountguard() }
    }

    /// What the command says that it registered.
    fn discover(&self) -> String {
        let mut command = Command::new(&self.mountguard);
        command.args(["discover", "--config"]).arg(self.site.dovecot.configuration());
        command.env("MOUNTGUARD_STATE_DIR", self.site.dovecot.state_dir());
        command.env("MOUNTGUARD_RUN_DIR", self.site.dovecot.run_dir());
        let output = command.output().expect("mountguard");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Everything in the directory that is laid out: name, owner, mode, size, and whether it was pressed.
    fn buttons(&self) -> Vec<(PathBuf, [u64; 3], bool)> {
        let directory = fs::read_dir(self.site.dovecot.run_dir().join("mounts.used")).expect("laid out");
        let button = |path: PathBuf| {
            let found = fs::symlink_metadata(&path).expect("a button");
            (path, [found.uid().into(), found.mode().into(), found.size()], found.mtime() != 0)
        };
        let mut buttons: Vec<_> =
            directory.map(|entry| button(entry.expect("a directory entry").path())).collect();
        buttons.sort();
        buttons
    }

    fn pressed(&self) -> Vec<PathBuf> {
        self.buttons().into_iter().filter(|button| button.2).map(|button| button.0).collect()
    }
}

#[test]
#[ignore = "needs root: real Dovecot, loop devices"]
fn filesystem_that_a_session_uses_is_registered_by_the_next_discovery() {
    lab!(|lab| {
        let moved = Moved::new(lab);
        let disk = moved.disk.display().to_string();
        let registered = |text: String| text.lines().any(|line| line.starts_with(&format!("{disk}\t")));
        assert!(!registered(moved.discover()), "nobody knows of it yet");
        let before = moved.buttons();
        let mut imap = moved.site.dovecot.imap("bob").expect("login");
        assert!(imap.command("SELECT INBOX").expect("IMAP").is_ok(), "{}", moved.site.dovecot.log());

        // The session pressed one button; everything else there is as it was.
        let pressed = moved.pressed();
        assert_eq!(pressed.len(), 1, "{:?}", moved.buttons());
        let mut expected = before;
        expected.iter_mut().for_each(|button| button.2 = pressed.contains(&button.0));
        assert_eq!(moved.buttons(), expected);
        assert!(!moved.site.dovecot.log().contains("mount_guard"), "{}", moved.site.dovecot.log());

        let added = moved.discover();
        assert!(added.contains(&format!("{disk}\tadded\tmail\tin use by a mail process\text4\t")), "{added}");
        assert_eq!(moved.pressed(), Vec::<PathBuf>::new());
    });
}

#[test]
#[ignore = "needs root: real Dovecot, loop devices"]
fn process_tells_of_a_directory_once() {
    lab!(|lab| {
        let moved = Moved::new(lab);
        moved.discover();
        let mut lmtp = moved.site.dovecot.lmtp().expect("LMTP");
        let mut deliver = |id: &str| {
            let replies = lmtp.deliver(&["bob"], &message(id)).expect("LMTP");
            assert_eq!(replies[0].code, 250, "{replies:?}");
            moved.pressed()
        };
        let pressed = deliver("first");
        assert_eq!(pressed.len(), 1, "{:?}", moved.buttons());
        let unpress = Command::new("touch").args(["-h", "-d", "@0"]).arg(&pressed[0]).status();
        assert!(unpress.expect("touch").success());
        assert_eq!(deliver("second"), Vec::<PathBuf>::new());
        let mut another = moved.site.dovecot.imap("bob").expect("login");
        assert!(another.command("SELECT INBOX").expect("IMAP").is_ok());
        assert_eq!(moved.pressed(), pressed);
    });
}
