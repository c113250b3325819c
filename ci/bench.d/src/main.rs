//! What mountguard costs beside what people use today. `ci/bench` builds and runs it, in the repository's top directory.

mod changes;
mod contention;
mod contest;
mod contestants;
mod dovecot_rule;
mod figures;
mod instructions;
mod page;
mod peers;
mod place;
mod plot;
mod plugin;
mod programs;
mod question;
mod repeat;
mod session;
mod steps;
mod workers;
mod writes;

use std::fs;
use std::path::Path;
use std::process::Command;

use contest::{ENOUGH, TURN, Yardstick, compare};
use figures::{Figures, Run, Size, Start};
use mount_core::Mounts;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use programs::Programs;
use workers::{NOTHING, Order, Worker};

const MOUNTS: [usize; 5] = [20, 200, 2_000, 5_000, 20_000];
const REGISTERED: [usize; 3] = [1, 100, 10_000];

const SECTIONS: [&str; 7] =
    ["registry", "contention", "memory", "instructions", "plugin", "questions", "command"];

/// Asked for besides: to record what is counted, which later counts are compared with.
const RECORD: &str = "record";
const RECORDED: &str = "docs/performance/instructions.json";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, question] = arguments.as_slice()
        && first == workers::WORKER
    {
        return workers::work(question);
    }
    let documents = Path::new("docs");
    assert!(documents.is_dir(), "run it in the top directory of the repository, or run ci/bench");
    let wanted = sections(&arguments);
    let plots = documents.join("performance");
    fs::create_dir_all(&plots).expect("a directory for the plots");
    let file = plots.join("figures.json");
    let recorded = fs::read(&file).ok().and_then(|json| serde_json::from_slice::<Figures>(&json).ok());
    let mut figures = recorded.unwrap_or_default();
    measure(&wanted, &mut figures);
    let json = serde_json::to_string_pretty(&figures).expect("figures are JSON");
    fs::write(file, json + "\n").expect("write the figures");
    plot::draw(&figures, &plots);
    fs::write(documents.join("performance.md"), page::write(&figures)).expect("write the page");
}

/// All of them, or the ones named.
fn sections(arguments: &[String]) -> Vec<&str> {
    let unknown = arguments.iter().find(|name| !SECTIONS.contains(&name.as_str()) && *name != RECORD);
    assert_eq!(unknown, None, "the sections are {SECTIONS:?}, and {RECORD}");
    if arguments.is_empty() { SECTIONS.into() } else { arguments.iter().map(String::as_str).collect() }
}

fn measure(wanted: &[&str], figures: &mut Figures) {
    let run = Run::begin();
    let scratch = tempfile::tempdir().expect("a directory for programs");
    let programs = Programs::build(scratch.path());
    let _place = place::build();
    place::mount_up_to(MOUNTS[0]);
    let wants = |section| {
        let is_wanted = wanted.contains(&section);
        if is_wanted {
            progress(section);
        }
        is_wanted
    };
    place::register(REGISTERED[2]);
    if wants("registry") {
        let ratios = writes::compare().into_iter().map(|(change, ratio)| (change.to_owned(), ratio));
        figures.registry = run.end(ratios.collect());
    }
    if wants("contention") {
        figures.contention = run.end(contention::measure());
    }
    if wants("memory") {
        figures.memory = run.end(REGISTERED.map(memory).into());
    }
    if wants("instructions") || wants(RECORD) {
        let recorded = instructions::recorded(Path::new(RECORDED));
        let counted = on_one_processor(|| instructions::measure(scratch.path(), &recorded));
        counted.iter().for_each(|count| progress(&count.to_string()));
        if wanted.contains(&RECORD) {
            instructions::record(&counted, Path::new(RECORDED));
        }
        figures.instructions = run.end(counted);
    }
    if wants("plugin") {
        figures.plugin = run.end(on_one_processor(|| plugin::measure(scratch.path())));
    }
    let (questions, command) = (wants("questions"), wants("command"));
    if questions || command {
        let (sizes, starts) = by_size(questions, command, &programs);
        figures.questions = if questions { run.end(sizes) } else { figures.questions.take() };
        figures.command = if command { run.end(starts) } else { figures.command.take() };
    }
}

/// The sections that depend on the number of mounts.
fn by_size(questions: bool, command: bool, programs: &Programs) -> (Vec<Size>, Vec<Start>) {
    let (mut sizes, mut starts) = (Vec::new(), Vec::new());
    for mounts in MOUNTS {
        place::mount_up_to(mounts);
        for registered in REGISTERED {
            progress(&format!("{mounts} mounts, {registered} registered"));
            let opened = place::register(registered);
            if questions {
                sizes.push(size(mounts, registered, &opened, programs));
            }
            if command {
                starts.push(on_one_processor(|| start(mounts, registered, programs)));
            }
        }
    }
    (sizes, starts)
}

/// The library at every size; its peers, to whom it is all the same what is registered, once for each number of mounts.
fn size(mounts: usize, registered: usize, opened: &Mounts, programs: &Programs) -> Size {
    let (mut yardstick, mut size) = on_one_processor(|| {
        let mut yardstick = Yardstick::new(contestants::yardstick(programs), TURN);
        let mut size = Size {
            mounts,
            registered,
            ours: compare(&mut yardstick, contestants::ours(), ENOUGH),
            floor: compare(&mut yardstick, contestants::floor(programs), ENOUGH),
            peers_is_mounted: Vec::new(),
            peers_may_create: Vec::new(),
            first_verdict: changes::first_verdict(opened, &mut yardstick),
            storm: None,
            yardstick_nanoseconds: 0.0,
        };
        if registered == REGISTERED[0] {
            size.peers_is_mounted = compare(&mut yardstick, peers::is_mounted(programs), ENOUGH);
            size.peers_may_create = compare(&mut yardstick, peers::may_create(programs), ENOUGH);
        }
        size.yardstick_nanoseconds = yardstick.nanoseconds();
        (yardstick, size)
    });
    // A processor each for who asks and who mounts.
    size.storm = (registered == REGISTERED[2]).then(|| changes::storm(&mut yardstick));
    size
}

fn start(mounts: usize, registered: usize, programs: &Programs) -> Start {
    let nothing = repeat::command("nothing", || Command::new(&programs.nothing));
    let check = repeat::command("check", || {
        let mut command = Command::new(&programs.mountguard);
        let directories = place::directories();
        command.arg("check").arg(place::mail().join("bob"));
        command.env("MOUNTGUARD_STATE_DIR", directories.state).env("MOUNTGUARD_RUN_DIR", directories.run);
        command
    });
    let mut figures = compare(&mut Yardstick::new(nothing.repeat, TURN), vec![check], ENOUGH);
    Start { mounts, registered, check: figures.remove(0).ratio }
}

/// Bytes that a process has more for itself once it has asked.
fn memory(registered: usize) -> (usize, f64) {
    place::register(registered);
    let [with, without] = ["verdict", NOTHING].map(|question| Worker::start(question).ask(&Order::Memory));
    (registered, with as f64 - without as f64)
}

/// Does the work, with all programs that it starts, on one processor: two are seldom equally quick.
fn on_one_processor<T>(work: impl FnOnce() -> T) -> T {
    let all = sched_getaffinity(Pid::this()).expect("the processors there are");
    let last = (0..CpuSet::count()).rfind(|processor| all.is_set(*processor).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(last.expect("this runs on one")).expect("a processor that is there");
    sched_setaffinity(Pid::this(), &one).expect("stay on one processor");
    let result = work();
    sched_setaffinity(Pid::this(), &all).expect("use all processors again");
    result
}

#[expect(clippy::print_stderr, reason = "it takes minutes, and somebody watches")]
fn progress(what: &str) {
    eprintln!("ci/bench: {what}");
}
