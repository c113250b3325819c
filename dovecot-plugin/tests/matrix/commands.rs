//! What administrators and their jobs do with `doveadm`.

use crate::plan::Place;
use crate::scene::Scene;
use crate::site::USER;

/// Runs `doveadm COMMAND -u bob ARGUMENTS`.
fn doveadm(scene: &mut Scene<'_>, command: &[&str], arguments: &[&str]) -> bool {
    let words = [command, &["-u", USER], arguments].concat();
    let output = scene.site.dovecot.doveadm(&words).expect("doveadm runs");
    let done = scene.ran(&format!("doveadm {}", words.join(" ")), &output);
    scene.outcome(&[Place::Account], done);
    done
}

pub(crate) fn force_resync(scene: &mut Scene<'_>) {
    doveadm(scene, &["force-resync"], &["*"]);
}

pub(crate) fn purge(scene: &mut Scene<'_>) {
    doveadm(scene, &["purge"], &[]);
}

pub(crate) fn altmove(scene: &mut Scene<'_>) {
    doveadm(scene, &["altmove"], &["mailbox", "INBOX", "all"]);
    doveadm(scene, &["altmove", "-r"], &["mailbox", "INBOX", "all"]);
}

pub(crate) fn index(scene: &mut Scene<'_>) {
    doveadm(scene, &["index"], &["*"]);
}

pub(crate) fn backup_to(scene: &mut Scene<'_>) {
    replicate(scene, &["backup"], &[]);
}

pub(crate) fn backup_from(scene: &mut Scene<'_>) {
    replicate(scene, &["backup"], &["-R"]);
}

pub(crate) fn sync(scene: &mut Scene<'_>) {
    replicate(scene, &["sync"], &[]);
}

/// Both sides are the same at first, so nothing is to be done: whatever it does is wrong.
fn replicate(scene: &mut Scene<'_>, command: &[&str], options: &[&str]) {
    let replica = scene.site.replica();
    doveadm(scene, command, &[options, &[&replica]].concat());
}
