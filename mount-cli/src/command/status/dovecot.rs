//! Whether a running Dovecot sees the same mounts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mount_core::Presence;

use super::Look;
use crate::arguments::{Settings, View};
use crate::console::Console;
use crate::reply;
use crate::session::Session;

/// Says which mountpoints Dovecot's master process sees otherwise. A service has private mounts more often than its
/// administrators know. Silent where nothing can be found out: that is no reason to complain.
pub(super) fn compare(session: &Session<'_>, looks: &[Look], console: &mut Console) {
    let settings = session.settings;
    let Some(pid) = master(&settings.directories.run).filter(|_| settings.view == View::Own) else { return };
    if !has_other_mounts(pid) {
        return;
    }
    let seen: Vec<_> = looks.iter().filter_map(seen_here).collect();
    let there = Settings { directories: settings.directories.clone(), view: View::Process(pid), ..*settings };
    let asked = reply::ask(settings.timeout, "look at what Dovecot sees", || {
        Session::new(&there).judging(&mut Console::new(), |mounts, _| {
            Ok(seen.iter().map(|(path, _)| presence_word(&mounts.examine(path).presence).into()).collect())
        })
    });
    for ((path, here), there) in seen.iter().zip(asked.unwrap_or_default()) {
        if here.as_bytes() != there.as_slice() {
            console.say(format_args!(
                "{path:?} is {here} here, but {} for Dovecot, which has mounts of its own; see: mountguard --pid {pid} \
                 status",
                String::from_utf8_lossy(&there)
            ));
        }
    }
}

/// Dovecot's master process, by the file that it leaves in its run directory.
fn master(run: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(run.join("master.pid")).ok()?.trim().parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim_end() == "dovecot").then_some(pid)
}

fn has_other_mounts(pid: u32) -> bool {
    let namespace =
        |process: &str| fs::metadata(format!("/proc/{process}/ns/mnt")).ok().map(|found| found.ino());
    match (namespace("self"), namespace(&pid.to_string())) {
        (Some(own), Some(other)) => own != other,
        _ => false,
    }
}

fn seen_here(look: &Look) -> Option<(&Path, &'static str)> {
    let presence = &look.examination.as_ref()?.presence;
    Some((look.subject.mountpoint.as_deref()?, presence_word(presence)))
}

/// Whether a filesystem answers is the same everywhere.
fn presence_word(presence: &Presence) -> &'static str {
    match presence {
        Presence::Stuck => Presence::Mounted.as_str(),
        presence => presence.as_str(),
    }
}
