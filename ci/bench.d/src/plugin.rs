//! What Dovecot's mail processes cost with the plugin, beside the same ones without it: instructions, processor time
//! and memory of IMAP sessions of four servers that run side by side.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fixtures::dovecot::{Config, Dovecot, Format, Store};
use serde::{Deserialize, Serialize};

use crate::contest::{Contestant, Figure, Ratio, Yardstick, compare_alike};
use crate::place::{mail, run, tenant};
use crate::session::{APPEND, Session};
use crate::steps;

/// Name and command.
const COMMANDS: [(&str, &str); 4] = [
    ("SELECT", "SELECT Archive"),
    ("STATUS", "STATUS Archive (MESSAGES UIDNEXT UNSEEN)"),
    ("FETCH", "FETCH 5 BODY.PEEK[]"),
    ("APPEND", APPEND),
];

/// Mails in files of their own: by an index that says which there are, and by the names of the files.
const FORMATS: [(&str, Format); 2] = [("sdbox", Format::Sdbox), ("maildir", Format::Maildir)];

/// How long a turn takes: each of the servers has caches of its own to fill.
const TURN: Duration = Duration::from_millis(4);

/// How long each is measured, so that a hundredth can be told.
const ENOUGH: Duration = Duration::from_millis(800);

/// Sessions that are there at once while memory is measured, as in a server in use.
const SESSIONS: usize = 5;

/// What one command costs with so many registered mountpoints, as a multiple of what it costs without the plugin.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cost {
    pub format: String,
    pub command: String,
    pub registered: usize,
    pub instructions: f64,
    pub processor_time: Ratio,
}

/// What one command costs without the plugin.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stock {
    pub format: String,
    pub command: String,
    pub instructions: u64,
    pub microseconds: f64,
    /// The same measured against itself: how far the processor times can be trusted.
    pub control: Ratio,
}

/// What an IMAP process has with so many registered mountpoints, beyond one without the plugin.
#[derive(Serialize, Deserialize)]
pub(crate) struct Memory {
    pub registered: usize,
    /// Bytes that no other process shares.
    pub private: Ratio,
    /// Bytes in all, what is shared divided among those who share it.
    pub proportional: Ratio,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Plugin {
    pub stock: Vec<Stock>,
    pub costs: Vec<Cost>,
    pub memory: Vec<Memory>,
}

pub(crate) fn measure(scratch: &Path) -> Plugin {
    let still = still(scratch);
    let mut plugin = Plugin { stock: Vec::new(), costs: Vec::new(), memory: Vec::new() };
    for format in FORMATS {
        commands(&mut plugin, format, &still);
    }
    let stock = start("stock", Format::Sdbox, None);
    plugin.memory = [1, 10_000].map(|registered| memory(&stock, registered)).into();
    plugin
}

/// What the commands cost in mailboxes of one format.
fn commands(plugin: &mut Plugin, (format, kind): (&str, Format), still: &Path) {
    let guarded = |registered| (registered, start(&format!("{format}-{registered}"), kind, Some(registered)));
    let servers = [0, 1, 1_000].map(guarded);
    let stock = start(&format!("{format}-stock"), kind, None);
    for (name, command) in COMMANDS {
        let (own, figures) = processor_time(&stock, &servers, command);
        let counted = instructions(&stock, command, still);
        for ((registered, server), figure) in servers.iter().zip(figures) {
            let instructions = instructions(server, command, still) as f64 / counted as f64;
            plugin.costs.push(Cost {
                format: format.to_owned(),
                command: name.to_owned(),
                registered: *registered,
                instructions,
                processor_time: figure.ratio,
            });
        }
        plugin.stock.push(Stock {
            format: format.to_owned(),
            command: name.to_owned(),
            instructions: counted,
            microseconds: own.nanoseconds / 1000.0,
            control: own.ratio,
        });
    }
}

/// A server with the plugin and so many registered mountpoints, or without it. Its mail lies on the filesystem that is
/// asked about elsewhere, in a directory of its own.
fn start(name: &str, format: Format, registered: Option<usize>) -> Dovecot {
    let mut config = Config::new(Store::new(format, mail().join(name)));
    // Waiting for the disk is nothing that the guard adds to, and would only hide what it does. When the process for
    // statistics is told something is chance.
    config.extra = "mail_fsync = never\nstats_writer_socket_path =\n".to_owned();
    if registered.is_some() {
        config.mail_plugins = "mount_guard".to_owned();
        config.plugins = vec![library()];
        config.extra.push_str("plugin {\n  mount_guard_registry = required\n}\n");
    }
    let dovecot = Dovecot::start(&config).expect("start Dovecot");
    if let Some(registered) = registered {
        let others = (1..registered).map(tenant);
        let lines =
            others.chain((registered > 0).then(mail)).map(|path| format!("online {}\n", path.display()));
        let text = format!("# mountguard 1 generation=1\n{}", lines.collect::<String>());
        for directory in [dovecot.state_dir(), dovecot.run_dir()] {
            fs::write(directory.join("mounts"), &text).expect("a registry");
        }
    }
    fill(&dovecot);
    dovecot
}

/// The plugin, which `ci/bench` has built beside this program.
fn library() -> PathBuf {
    let program = std::env::current_exe().expect("this program");
    let target = program.ancestors().nth(3).expect("the directory of all that is built");
    target.join("plugin/lib00_mount_guard_plugin.so")
}

fn fill(dovecot: &Dovecot) {
    let mut session = Session::start(dovecot);
    for command in ["CREATE Archive", "CREATE Sent"].into_iter().chain(["APPEND Archive"; 10]) {
        session.command(command);
    }
}

/// Stock against itself, and each of the servers against it.
fn processor_time(stock: &Dovecot, servers: &[(usize, Dovecot)], command: &str) -> (Figure, Vec<Figure>) {
    let repeat = |dovecot: &Dovecot| {
        let mut session = Session::selected(dovecot);
        Box::new(move |count| session.repeat(command, count))
    };
    let mut yardstick = Yardstick::new(repeat(stock), TURN);
    let all = std::iter::once(stock).chain(servers.iter().map(|(_, dovecot)| dovecot));
    let contestants = all.map(|dovecot| Contestant { name: "imap", repeat: repeat(dovecot) }).collect();
    let mut figures = compare_alike(&mut yardstick, contestants, ENOUGH);
    (figures.remove(0), figures)
}

/// A library that has the clock of a process stand still.
fn still(scratch: &Path) -> PathBuf {
    let library = scratch.join("still.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/still.c");
    run(Command::new("cc").args(["-O2", "-Wall", "-shared", "-fPIC", "-o"]).arg(&library).arg(source));
    library
}

/// Those of one repetition, once caches are warm: the median of a few, since Dovecot doesn't always do the same.
fn instructions(dovecot: &Dovecot, command: &str, still: &Path) -> u64 {
    let mut session = Session::start_with(dovecot, Some(still));
    session.command("SELECT Archive");
    (0..3).for_each(|_| session.command(command));
    let mut counts = [(); 3].map(|()| steps::count(session.pid(), || session.command(command)));
    counts.sort_unstable();
    counts[1]
}

fn memory(stock: &Dovecot, registered: usize) -> Memory {
    let guarded = start(&format!("memory-{registered}"), Format::Sdbox, Some(registered));
    let (with, without) = (footprints(&guarded), footprints(stock));
    let more = |of: &dyn Fn(&Footprint) -> f64| {
        let plain = Ratio::of(without.iter().map(of).collect()).median;
        Ratio::of(with.iter().map(|footprint| of(footprint) - plain).collect())
    };
    Memory {
        registered,
        private: more(&|footprint| footprint.private),
        proportional: more(&|footprint| footprint.proportional),
    }
}

/// Bytes of one process.
struct Footprint {
    private: f64,
    proportional: f64,
}

/// Those of sessions that have done all the commands.
fn footprints(dovecot: &Dovecot) -> Vec<Footprint> {
    let mut sessions: Vec<Session> = (0..SESSIONS).map(|_| Session::selected(dovecot)).collect();
    for (_, command) in COMMANDS {
        sessions.iter_mut().for_each(|session| session.command(command));
    }
    sessions.iter().map(|session| footprint(Path::new("/proc").join(session.pid().to_string()))).collect()
}

fn footprint(process: PathBuf) -> Footprint {
    let rollup = fs::read_to_string(process.join("smaps_rollup")).expect("what the process uses");
    let bytes = |name: &str| -> f64 {
        let lines = rollup.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum::<f64>() * 1024.0
    };
    Footprint { private: bytes("Private_"), proportional: bytes("Pss:") }
}
