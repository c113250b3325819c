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
    /// Builds what has to be built, into a directory. `mountguard` and the program that does nothing, built the same
    /// way, are beside this one.
    pub(crate) fn build(into: &Path) -> Self {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let compile = |name: &str, libraries: &[&str]| {
            let program = into.join(name);
            let source = sources.join(name).with_extension("c");
            run(Command::new("cc").args(["-O2", "-Wall", "-o"]).arg(&program).arg(source).args(libraries));
            program
        };
        let beside = std::env::current_exe().expect("this program").with_file_name("");
        Programs {
            floor: compile("floor", &[]),
            libmount: compile("libmount", &["-lmount"]),
            ismount: sources.join("ismount.py"),
            mountguard: beside.join("mountguard"),
            nothing: beside.join("nothing"),
        }
    }
}
