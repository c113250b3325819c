//! A lock that Dovecot waits for, which is a moment that a test can wait for.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What Dovecot needs to be told to wait for it.
pub(crate) const SETTING: &str = "lock_method = flock\n";

/// Somebody else who has a file locked.
pub(crate) struct Locked {
    holder: Child,
    /// How `/proc/locks` calls the file, at the end of its name for it.
    inode: String,
}

impl Locked {
    pub(crate) fn new(file: &Path) -> Locked {
        let inode = fs::metadata(file).unwrap_or_else(|error| panic!("{file:?}: {error}")).ino();
        let mut flock = Command::new("flock");
        flock.arg(file).args(["sh", "-c", "echo locked; cat"]);
        let mut holder = flock.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("flock");
        let mut said = [0; 6];
        holder.stdout.as_mut().expect("its output").read_exact(&mut said).expect("the lock");
        Locked { holder, inode: format!(":{inode} ") }
    }

    /// Waits until somebody waits for the lock.
    pub(crate) fn await_waiting(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let waits = |line: &str| line.contains("-> FLOCK") && line.contains(&self.inode);
        while !fs::read_to_string("/proc/locks").expect("/proc/locks").lines().any(waits) {
            assert!(Instant::now() < deadline, "nobody waits for the lock");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn unlock(mut self) {
        drop(self.holder.stdin.take());
        self.holder.wait().expect("flock ends");
    }
}
