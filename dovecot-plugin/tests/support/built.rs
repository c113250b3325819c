//! What is built from this checkout: the plugin and the command.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(command: &mut Command) {
    let output = command.output().expect("start the build");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("..")
}

/// The plugin. Tests run side by side, each in a process of its own, so that one builds and the others wait.
pub(crate) fn plugin() -> PathBuf {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin");
    fs::create_dir_all(&out).expect("a directory for the plugin");
    let mut command = Command::new("flock");
    command.arg(out.join("lock")).args(["make", "--silent", "-C", env!("CARGO_MANIFEST_DIR")]);
    command.arg(format!("OUT={}", out.display()));
    command.arg(format!("TARGET_DIR={}", target().display()));
    run(&mut command);
    out.join("lib00_mount_guard_plugin.so")
}

/// The command.
pub(crate) fn mountguard() -> PathBuf {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", "mount-cli", "--target-dir"]).arg(target());
    run(cargo.current_dir(env!("CARGO_MANIFEST_DIR")));
    target().join("debug/mountguard")
}
