//! One user's filesystem hangs. Others are served all the while, and once the watcher has recorded that it is
//! stuck, its own user is refused at once instead of being added to those who wait.

mod support;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::dovecot::{Config, Format, Role};
use fixtures::lab;
use fixtures::lab::{Fuse, Lab};
use support::built::mountguard;
use support::{Guard, Site, message};

/// A running `mountguard watch`; it ends when this is dropped.
struct Watcher(Child);

impl Watcher {
    fn start(program: &Path, site: &Site) -> Watcher {
        let mut command = Command::new(program);
        command.env("MOUNTGUARD_STATE_DIR", site.dovecot.state_dir());
        command.env("MOUNTGUARD_RUN_DIR", site.dovecot.run_dir());
        command.args(["--timeout", "0.5", "watch", "--interval", "0.2"]).stdout(Stdio::null());
        Watcher(command.spawn().expect("start watching"))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It may have ended before, which the test has found out by then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bob's mail lies on a tmpfs. On the way to that of alice is a FUSE that must be asked each time: the lab's
/// own is read-only, so what holds the mail is a tmpfs within it.
struct Scene {
    site: Site,
    fuse: Fuse,
    /// The kernel's count of requests to the FUSE that nobody has answered yet.
    waiting: PathBuf,
}

impl Scene {
    fn new(lab: &Lab) -> Scene {
        let site = Site::start_with(lab, Format::Maildir, Guard::Guarded, place_mail_within);
        let fuse = lab.fuse_healthy(site.dovecot.store().path(Role::Mail, "alice"));
        let mail = lab.tmpfs(fuse.inner());
        fs::set_permissions(mail.path(), Permissions::from_mode(0o777)).expect("alice may write");
        site.also_register(fuse.path());
        let waiting = connection(lab, fuse.path()).join("waiting");
        Scene { site, fuse, waiting }
    }

    fn waiting(&self) -> u32 {
        let count = fs::read_to_string(&self.waiting).expect("the count");
        count.trim().parse().expect("a number")
    }

    fn recorded(&self) -> bool {
        let runtime = fs::read_to_string(self.site.dovecot.run_dir().join("mounts"));
        runtime.is_ok_and(|text| text.contains("observed=stuck"))
    }

    /// What a new session and a delivery are told. The client's own deadline ends a wait for either.
    fn answers(&self, user: &str) -> (String, u16) {
        let dovecot = &self.site.dovecot;
        let answers = || {
            let select = dovecot.imap(user)?.command("SELECT INBOX")?;
            let delivered = dovecot.lmtp()?.deliver(&[user], &message("new"))?;
            Ok((select.answer(), delivered[0].code))
        };
        answers().unwrap_or_else(|error: io::Error| panic!("{user}: {error}\n{}", dovecot.log()))
    }

    #[track_caller]
    fn assert_served(&self, user: &str) {
        let (select, delivered) = self.answers(user);
        assert!(select.starts_with("OK ") && delivered == 250, "{user}: {select}, {delivered}");
    }

    #[track_caller]
    fn assert_refused(&self, user: &str) {
        let (select, delivered) = self.answers(user);
        let temporary = (400..500).contains(&delivered);
        assert!(select.starts_with("NO [UNAVAILABLE] ") && temporary, "{user}: {select}, {delivered}");
    }
}

fn place_mail_within(config: &mut Config) {
    config.users.push("alice".to_owned());
    let location = config.store.location().replace("/mail/%u", "/mail/%u/inner");
    config.extra.push_str(&format!("mail_location = {location}\n"));
}

/// The directory in which the kernel tells of a FUSE connection, named by its device's minor number.
fn connection(lab: &Lab, mountpoint: &Path) -> PathBuf {
    let connections = lab.dir("connections");
    let status = Command::new("mount").args(["-t", "fusectl", "lab"]).arg(&connections).status();
    assert!(status.expect("mount").success());
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("the mount table");
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let of_mountpoint = |fields: &Vec<&str>| Path::new(fields[4]) == mountpoint;
    let fuse = fields.find(of_mountpoint).expect("it is mounted");
    let (_major, minor) = fuse[2].split_once(':').expect("a device number");
    connections.join(minor)
}

#[track_caller]
fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while !condition() {
        assert!(Instant::now() < deadline, "it does not come about");
        thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "needs root: real Dovecot, /dev/fuse"]
fn hung_filesystem_of_one_user_is_refused_once_recorded_and_others_are_served_throughout() {
    lab!(|lab| {
        let program = mountguard();
        let scene = Scene::new(lab);
        let mut early = scene.site.dovecot.imap("alice").expect("login");
        scene.fuse.hang();
        thread::scope(|scope| {
            // Nothing has been recorded, so it is let through and waits: what the record is to spare the others.
            let blocked = scope.spawn(|| early.command("SELECT INBOX"));
            until(|| scene.waiting() > 0);
            scene.assert_served("bob");
            let watcher = Watcher::start(&program, &scene.site);
            until(|| scene.recorded());
            let waiting = scene.waiting();
            scene.assert_refused("alice");
            assert_eq!(scene.waiting(), waiting, "someone more waits for the filesystem");
            scene.assert_served("bob");
            assert!(!blocked.is_finished(), "it has been hanging all the while");
            scene.fuse.recover();
            until(|| !scene.recorded());
            scene.assert_served("alice");
            // Judged again when it wakes, it may be refused still: the watcher asks when it is time to.
            let woken = blocked.join().expect("no panic").expect("the session goes on").answer();
            assert!(woken.starts_with("OK ") || woken.starts_with("NO [UNAVAILABLE] "), "{woken}");
            drop(watcher);
        });
        assert!(early.command("SELECT INBOX").expect("the session goes on").is_ok());
    });
}
