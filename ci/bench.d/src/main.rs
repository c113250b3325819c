//! What mountguard costs beside what people use today. `ci/bench` builds and runs it, in the repository's top directory.

mod changes;
mod contest;
mod contestants;
mod dovecot_rule;
mod figures;
mod page;
mod place;
mod plot;
mod programs;
mod workers;
mod writes;

use std::fs;
use std::path::Path;
use std::process::Command;

use contest::compare;
use figures::{Figures, Size, Start};
use programs::Programs;

const MOUNTS: [usize; 4] = [20, 200, 2_000, 20_000];
const REGISTERED: [usize; 3] = [1, 100, 10_000];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == workers::WORKER
    {
        return workers::work(rest);
    }
    let documents = Path::new("docs");
    assert!(documents.is_dir(), "run it in the top directory of the repository, or run ci/bench");
    let plots = documents.join("performance");
    fs::create_dir_all(&plots).expect("a directory for the plots");
    let file = plots.join("figures.json");
    let before = fs::read(&file).ok().and_then(|json| serde_json::from_slice(&json).ok());
    let figures = Figures { before: before.unwrap_or_default(), ..measure() };
    let json = serde_json::to_string_pretty(&figures.to_json()).expect("figures are JSON");
    fs::write(file, json + "\n").expect("write the figures");
    plot::draw(&figures, &plots);
    fs::write(documents.join("performance.md"), page::write(&figures)).expect("write the page");
}

fn measure() -> Figures {
    let scratch = tempfile::tempdir().expect("a directory for programs");
    let programs = Programs::build(scratch.path());
    place::enter();
    let mut figures = Figures {
        kernel: first_line("/proc/sys/kernel/osrelease"),
        processor: processor(),
        load: first_line("/proc/loadavg"),
        ..Figures::default()
    };
    for mounts in MOUNTS {
        place::mount_up_to(mounts);
        for registered in REGISTERED {
            progress(&format!("{mounts} mounts, {registered} registered"));
            figures.sizes.push(questions(mounts, registered, &programs));
            figures.starts.push(start(mounts, registered, &programs));
            if mounts == MOUNTS[0] {
                figures.memory.push((registered, workers::memory()));
            }
        }
        if mounts == MOUNTS[0] {
            progress("registry, contention, instructions");
            figures.writes.extend(writes::compare());
            figures.contention.extend([1, 2, 4, 8, 16].map(|count| (count, workers::contend(count))));
            let counted = |name| Some((name, workers::instructions(name, scratch.path())?));
            figures.instructions.extend(["presence", "verdict", "permit"].into_iter().filter_map(counted));
        }
    }
    figures
}

/// The library at every size; its peers, to whom it is all the same what is registered, once for each number of mounts.
fn questions(mounts: usize, registered: usize, programs: &Programs) -> Size {
    let opened = place::register(registered);
    let mut all = vec![contestants::yardstick(programs)];
    all.extend(contestants::ours(&opened));
    all.extend(contestants::floor(programs));
    let with_peers = registered == REGISTERED[0];
    if with_peers {
        all.extend(contestants::peers(programs));
    }
    let figures = compare(all);
    let first_verdict = changes::first_verdict(&opened);
    let storm = (registered == REGISTERED[2]).then(changes::storm);
    Size { mounts, registered, figures, first_verdict, storm }
}

fn start(mounts: usize, registered: usize, programs: &Programs) -> Start {
    let nothing = contestants::command("nothing", || Command::new(&programs.nothing));
    let check = contestants::command("check", || {
        let mut command = Command::new(&programs.mountguard);
        let directories = place::directories();
        command.arg("check").arg(place::mail().join("bob"));
        command.env("MOUNTGUARD_STATE_DIR", directories.state).env("MOUNTGUARD_RUN_DIR", directories.run);
        command
    });
    let check = compare(vec![nothing, check]).pop().expect("two were compared").ratio;
    Start { mounts, registered, check }
}

fn first_line(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names: Vec<&str> = text.lines().filter(|line| line.starts_with("model name")).collect();
    let name = names.first().and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name);
    format!("{} x {name}", names.len())
}

#[expect(clippy::print_stderr, reason = "it takes minutes, and somebody watches")]
fn progress(what: &str) {
    eprintln!("ci/bench: {what}");
}
