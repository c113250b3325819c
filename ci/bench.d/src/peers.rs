//! What people use today to find out whether something is mounted, and whether a path may be created.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contest::{Contestant, Repeat};
use crate::contestants::floor_program;
use crate::dovecot_rule;
use crate::place::{mail, new};
use crate::programs::Programs;
use crate::repeat::{command, coprocesses, in_process};

/// One peer, asked the two questions. `None`: it has no answer for a path that doesn't exist yet.
struct Peer<'a> {
    is_mounted: Contestant<'a>,
    may_create: Option<Contestant<'a>>,
}

/// All of them, asked whether the mountpoint is mounted.
pub(crate) fn is_mounted<'a>(programs: &Programs) -> Vec<Contestant<'a>> {
    all(programs).into_iter().map(|peer| peer.is_mounted).collect()
}

/// Those that can tell, asked whether a path may be created: whether the deepest mount above it is the right one.
pub(crate) fn may_create<'a>(programs: &Programs) -> Vec<Contestant<'a>> {
    all(programs).into_iter().filter_map(|peer| peer.may_create).collect()
}

fn all<'a>(programs: &Programs) -> Vec<Peer<'a>> {
    let both = |name, repeat: &dyn Fn(&Path) -> Repeat<'a>| Peer {
        is_mounted: Contestant { name, repeat: repeat(&mail()) },
        may_create: Some(Contestant { name, repeat: repeat(&new()) }),
    };
    let in_process = |name, ask: fn(&Path) -> bool| {
        both(name, &|path| {
            let path = path.to_owned();
            in_process(name, move || assert!(ask(&path), "{name}")).repeat
        })
    };
    let program = |program: &str, first: Option<&Path>, path: &Path| {
        coprocesses(|| {
            let mut command = Command::new(program);
            command.args(first).arg(path).arg(mail());
            command
        })
    };
    let libmount = programs.libmount.to_string_lossy();
    vec![
        in_process("first Dovecot's rule", dovecot_rule::is_permitted),
        in_process("procfs crate", |path| by_procfs(path).is_some_and(|mountpoint| mountpoint == mail())),
        both("libmount", &|path| program(&libmount, None, path)),
        both("openat2 without crossing", &|path| floor_program(programs, "crossing", path)),
        both("Python os.path.ismount", &|path| program("python3", Some(&programs.ismount), path)),
        Peer { is_mounted: run("mountpoint -q", "mountpoint", "-q", mail()), may_create: None },
        Peer {
            is_mounted: run("findmnt --target", "findmnt", "--target", mail()),
            // Of what doesn't exist it says nothing: somebody has to find the deepest directory that does.
            may_create: Some(run("findmnt --target", "findmnt", "--target", mail())),
        },
    ]
}

/// The deepest mountpoint at or above a path, of those in the mount table.
fn by_procfs(path: &Path) -> Option<PathBuf> {
    use procfs::FromRead;
    let table = procfs::process::MountInfos::from_file("/proc/self/mountinfo").expect("the mount table");
    let above = table.0.into_iter().map(|mount| mount.mount_point).filter(|other| path.starts_with(other));
    above.max_by_key(|mountpoint| mountpoint.as_os_str().len())
}

fn run<'a>(name: &'static str, program: &'static str, option: &'static str, path: PathBuf) -> Contestant<'a> {
    command(name, move || {
        let mut command = Command::new(program);
        command.arg(option).arg(&path);
        command
    })
}
