//! The page of the manual that shows the figures: `docs/performance.md`. All of it is written here.

mod bounds;
mod questions;
mod table;

use std::fmt::Write;

use crate::figures::{Figures, Run, Section};
use table::{Table, fine, number, spread};

/// With more programs than this waiting for processors besides, figures tell less.
const QUIET: f64 = 1.0;

pub(crate) fn write(figures: &Figures) -> String {
    let mut page = String::from(HEAD);
    page.push_str(&runs(figures));
    let _ = write!(page, "\n## What is kept\n\n{}", bounds::write(figures));
    if let Some(section) = &figures.questions {
        page.push_str(&questions::write(&section.measured));
    }
    for section in [contention, plugin, memory, instructions, command, registry] {
        page.push_str(&section(figures).unwrap_or_default());
    }
    page
}

const HEAD: &str = "\
# Performance

Written by `ci/bench`, which measures everything here anew; the figures for other programs are in
[performance/figures.json](performance/figures.json).

Unless a table says otherwise, a figure is a multiple of one bare `statx` of the mountpoint, made by a program in C in the
same run. A short turn of it comes before and after each turn of whatever is measured, on the same processor, so that
what the machine does besides falls out; told is the median of at least fifteen turns, with the quartiles in brackets.

";

/// When, where and under what load it was measured, once for each run that sections come from.
fn runs(figures: &Figures) -> String {
    fn run<T>(section: &Option<Section<T>>) -> Option<&Run> {
        section.as_ref().map(|section| &section.run)
    }
    let sections = [
        ("questions", run(&figures.questions)),
        ("contention", run(&figures.contention)),
        ("plugin", run(&figures.plugin)),
        ("memory", run(&figures.memory)),
        ("instructions", run(&figures.instructions)),
        ("command", run(&figures.command)),
        ("registry", run(&figures.registry)),
    ];
    let mut table =
        Table::new(["section", "kernel", "processor", "load when the run began", "when the section ended"]);
    let mut noisy = Vec::new();
    let mut starts = Vec::new();
    for (name, run) in sections {
        let Some(run) = run else { continue };
        let (begin, end) = run.load;
        let loads = [begin, end].map(number);
        table.row([name, &run.kernel, &run.processor, &loads[0], &loads[1]]);
        starts.push(run.started);
        if begin > QUIET {
            noisy.push(name);
        }
    }
    starts.dedup();
    let mut text = table.to_string();
    if starts.len() > 1 {
        text.push_str("\nThe sections were not all measured in the same run.\n");
    }
    let _ = match noisy.as_slice() {
        [] => {
            writeln!(text, "\nThe machine was quiet when it began; the load at the end is `ci/bench` itself.")
        }
        names => writeln!(
            text,
            "\nThe machine was busy with other things when this began: {}.\nCompare these figures with each other, within the \
             quartiles, and no further.",
            names.join(", ")
        ),
    };
    text
}

fn contention(figures: &Figures) -> Option<String> {
    let all = &figures.contention.as_ref()?.measured;
    let alone = all.first()?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut table = Table::new([
        "processes",
        "`statx` a second",
        "verdicts a second",
        "verdict in multiples of a `statx`",
        "beside one process",
    ]);
    for many in all {
        table.row([
            many.processes.to_string(),
            format!("{:.0}", many.statx_a_second.median),
            format!("{:.0}", many.verdicts_a_second.median),
            spread(many.ratio),
            number(many.ratio.median / alone.ratio.median),
        ]);
    }
    Some(format!(
        "\n## Many at once\n\nVerdicts of all processes together, by the clock on the wall, on {processors} processors, in turns with \
         as many processes that\nmake a bare `statx` of the same path. Mail processes share nothing of the guard's, so that only what \
         the kernel shares\namong those who walk a path can make it slower, and that it does to both.\n\n{table}"
    ))
}

fn plugin(figures: &Figures) -> Option<String> {
    let plugin = &figures.plugin.as_ref()?.measured;
    let mut stock =
        Table::new(["format", "command", "instructions", "processor time (us)", "against itself"]);
    for own in &plugin.stock {
        let instructions = own.instructions.to_string();
        stock.row([
            own.format.as_str(),
            own.command.as_str(),
            &instructions,
            &number(own.microseconds),
            &fine(own.control),
        ]);
    }
    let mut costs = Table::new(["format", "command", "registered", "instructions", "processor time"]);
    for cost in &plugin.costs {
        let registered = cost.registered.to_string();
        costs.row([
            cost.format.as_str(),
            cost.command.as_str(),
            &registered,
            &format!("{:.4}", cost.instructions),
            &fine(cost.processor_time),
        ]);
    }
    let mut memory = Table::new(["registered", "private (KiB)", "share (KiB)"]);
    let kibibytes = |bytes: f64| format!("{:.0}", bytes / 1024.0);
    for more in &plugin.memory {
        let registered = more.registered.to_string();
        memory.row([registered, kibibytes(more.private.median), kibibytes(more.proportional.median)]);
    }
    Some(format!(
        "\n## The plugin\n\nCommands of an IMAP session with the plugin, as multiples of the same session without it: on \
         ext4, all servers\nbeside each other, in turns. Instructions are those in user space, counted step by step by \
         `ptrace`, which is exact and leaves\nthe system calls to the kernel, while the clock of the process stands still; what those cost is in \
         the processor time, user\nand system, of the process.\n\n{costs}\nWithout the plugin; *against itself* is how far the processor times can be \
         trusted.\n\n{stock}\nWhat an IMAP process has in memory beyond one without the plugin, while there are five of a kind. \
         *Private* is what no other\nprocess shares, written to or not: what one more process costs. In its *share* the code of the plugin \
         counts as well,\nby parts among the five.\n\n{memory}"
    ))
}

fn memory(figures: &Figures) -> Option<String> {
    let mut table = Table::new(["registered", "KiB"]);
    for (registered, bytes) in &figures.memory.as_ref()?.measured {
        table.row([registered.to_string(), format!("{:.0}", bytes / 1024.0)]);
    }
    Some(format!(
        "\n## Memory of the library\n\nWhat a process has more for itself once it has opened the registry and asked twenty \
         times.\n\n{table}"
    ))
}

fn instructions(figures: &Figures) -> Option<String> {
    let mut table =
        Table::new(["question", "instructions", "recorded", "by callgrind", "recorded by callgrind", ""]);
    let text = |count: Option<u64>| count.map_or_else(String::new, |count| count.to_string());
    for count in &figures.instructions.as_ref()?.measured {
        let counts = [Some(count.exact), count.recorded, count.callgrind, count.recorded_callgrind].map(text);
        let slower = if count.is_slower() { "**slower**" } else { "" };
        let cells = counts.iter().map(String::as_str);
        table.row(std::iter::once(count.question.as_str()).chain(cells).chain([slower]));
    }
    Some(format!(
        "\n## Instructions\n\nIn user space, for one question with 10,000 registered, counted step by step by `ptrace`, beside \
         what is recorded in\n[performance/instructions.json](performance/instructions.json); `ci/bench record` does that. \
         callgrind knows neither `statmount`\nnor `openat2`, so that what it counts are the fall-backs: reused mount ids, and a walk by \
         component. The system calls are\nasserted in `mount-core/tests/syscalls.rs`.\n\n{table}"
    ))
}

fn command(figures: &Figures) -> Option<String> {
    let mut table = Table::new(["mounts / registered", "multiple"]);
    for start in &figures.command.as_ref()?.measured {
        table.row([format!("{} / {}", start.mounts, start.registered), spread(start.check)]);
    }
    Some(format!(
        "\n## The command\n\n`mountguard check`, from exec to exit, as a multiple of a program that does nothing, built the same \
         way.\nBoth are installed first: they lie in memory as copied files do. Processor time.\n\n{table}"
    ))
}

fn registry(figures: &Figures) -> Option<String> {
    let mut table = Table::new(["change", "multiple"]);
    for (change, ratio) in &figures.registry.as_ref()?.measured {
        table.row([change.as_str(), &spread(*ratio)]);
    }
    Some(format!(
        "\n## Changing the registry\n\nWith 10,000 mountpoints, as a multiple of writing and fsyncing a file of that size. By the clock \
         on the wall, since\nwaiting for the disk is what it is about. The state directory lies on an ext4, the run directory in memory.\n\nThe bare \
         replacement is what a durable change cannot do without, and no more: a new file written, fsynced and renamed,\n\
         and its directory fsynced, in both directories. A plain write waits for the journal once, a replacement twice, since \
         the\nname must not get to the disk before the bytes.\n\n{table}"
    ))
}
