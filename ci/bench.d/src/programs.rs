//! Programs that are not of this crate: peers in C, built on the spot, and mountguard's own command.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::run;

/// Where they are.
pub(crate) struct Programs {
    pub floor: PathBuf,
    pub libmount: PathBuf,
    pub ismount: PathBuf,
    pub mountguard: PathBuf,
    pub nothing: PathBuf,
}

impl Programs {
    /// Builds what has to be built, into a directory, and installs what is beside this program there: `mountguard` and,
    /// built the same way, a program that does nothing. What a linker has just written lies in memory by single pages,
    /// each of which is mapped for itself; what was copied, or read from a disk, does not.
    pub(crate) fn build(into: &Path) -> Self {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let compile = |name: &str, libraries: &[&str]| {
            let program = into.join(name);
            let source = sources.join(name).with_extension("c");
            run(Command::new("cc").args(["-O2", "-Wall", "-o"]).arg(&program).arg(source).args(libraries));
            program
        };
        let this = std::env::current_exe().expect("this program");
        let install = |name: &str| {
            let program = into.join(name);
            std::fs::copy(this.with_file_name(name), &program).expect("install a program");
            program
        };
        Programs {
            floor: compile("floor", &[]),
            libmount: compile("libmount", &["-lmount"]),
            ismount: sources.join("ismount.py"),
            mountguard: install("mountguard"),
            nothing: install("nothing"),
        }
    }
}
