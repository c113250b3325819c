//! The page of the manual that shows the figures: `docs/performance.md`.

use std::fmt::Write;

use crate::contest::Ratio;
use crate::figures::{Figures, Size};

/// Name of a figure, and the most it should be, in multiples of one statx.
const BOUNDS: [(&str, f64); 4] = [
    ("presence", 1.2),
    ("presence below an automount", 2.5),
    ("verdict", 3.2),
    ("verdict, to be created", 6.0),
];

/// What a permit may cost more than a verdict.
const PERMIT: f64 = 2.3;

/// What everything of ours may grow by from the smallest to the largest size.
const GROWTH: f64 = 1.2;

pub(crate) fn write(figures: &Figures) -> String {
    let mut page = String::from(HEAD);
    let write = |page: &mut String| -> std::fmt::Result {
        writeln!(
            page,
            "Linux {} on {}; load average when it began: {}.\n",
            figures.kernel, figures.processor, figures.load
        )?;
        bounds(page, figures)?;
        page.push_str("\n![mountguard and its peers](performance/peers.svg)\n\n");
        page.push_str("![mountguard and the bare calls](performance/ours.svg)\n\n## All figures\n\n");
        sizes(page, figures)?;
        changes(page, figures)?;
        others(page, figures)
    };
    write(&mut page).unwrap_or_else(|error| panic!("write a page into memory: {error}"));
    page
}

const HEAD: &str = "\
# Performance

Written by `ci/bench`, which measures everything here anew; the figures for other programs are in
[performance/figures.json](performance/figures.json).

Every figure is a multiple of one bare `statx` of the mountpoint, made by a program in C in the same run. All are
measured in turns, so that whatever else the machine does meets all alike; told is the median of fifteen turns, with the
quartiles in brackets. What is counted is processor time, of the thread that asks or of the commands that are started,
so that waiting for other programs doesn't count. Mail lies on an ext4; the other mounts are tmpfs.

";

fn bounds(page: &mut String, figures: &Figures) -> std::fmt::Result {
    let (Some(small), Some(large)) = (figures.sizes.first(), figures.sizes.last()) else { return Ok(()) };
    writeln!(
        page,
        "| question | {} mounts, {} registered | {} mounts, {} registered | at most | grows by | bare calls grow by |",
        small.mounts, small.registered, large.mounts, large.registered
    )?;
    page.push_str("|---|---|---|---|---|---|\n");
    for (name, bound) in BOUNDS {
        bound_line(page, name, bound, &|size| size.ratio(name), small, large)?;
    }
    bound_line(page, "permit, beyond the verdict", PERMIT, &beyond, small, large)?;
    writeln!(page, "\nNothing is to grow by more than {GROWTH} times what the bare calls do.")
}

fn beyond(size: &Size) -> Option<Ratio> {
    let (permit, verdict) = (size.ratio("permit")?, size.ratio("verdict")?);
    Some(Ratio {
        median: permit.median - verdict.median,
        lower_quartile: permit.lower_quartile - verdict.median,
        upper_quartile: permit.upper_quartile - verdict.median,
    })
}

fn bound_line(
    page: &mut String,
    name: &str,
    bound: f64,
    ratio: &dyn Fn(&Size) -> Option<Ratio>,
    small: &Size,
    large: &Size,
) -> std::fmt::Result {
    let (Some(at_small), Some(at_large)) = (ratio(small), ratio(large)) else { return Ok(()) };
    let floor = |size: &Size| match name {
        "verdict" => size.ratio("verdict in C").map(|ratio| ratio.median),
        "verdict, to be created" => size.ratio("verdict, to be created, in C").map(|ratio| ratio.median),
        "permit, beyond the verdict" => {
            Some(size.ratio("permit in C")?.median - size.ratio("verdict in C")?.median)
        }
        _ => None,
    };
    let floor = floor(small)
        .zip(floor(large))
        .map_or(String::new(), |(small, large)| format!("{:.2}", large / small));
    let grows = at_large.median / at_small.median;
    writeln!(
        page,
        "| {name} | {} | {} | {bound} | {grows:.2} | {floor} |",
        spread(at_small),
        spread(at_large)
    )
}

fn spread(ratio: Ratio) -> String {
    format!("{} [{}, {}]", number(ratio.median), number(ratio.lower_quartile), number(ratio.upper_quartile))
}

/// As many digits as there are to it.
fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

fn sizes(page: &mut String, figures: &Figures) -> std::fmt::Result {
    page.push_str("| |");
    for size in &figures.sizes {
        write!(page, " {} / {} |", size.mounts, size.registered)?;
    }
    writeln!(page, "\n|---|{}", "---|".repeat(figures.sizes.len()))?;
    let names = figures.sizes.first().map(|size| size.figures.iter().map(|figure| figure.name));
    for name in names.into_iter().flatten() {
        write!(page, "| {name} |")?;
        for size in &figures.sizes {
            write!(page, " {} |", size.ratio(name).map_or(String::new(), spread))?;
        }
        page.push('\n');
    }
    page.push_str(
        "\nMounts / registered mountpoints. To the peers it is all the same what is registered.\n\n",
    );
    Ok(())
}

fn changes(page: &mut String, figures: &Figures) -> std::fmt::Result {
    page.push_str("## When the mount table changes\n\n");
    page.push_str("| mounts / registered | first verdict, always right (us) | storm: changes a second | verdicts a second | compared with the truth | wrong |\n");
    page.push_str("|---|---|---|---|---|---|\n");
    for size in &figures.sizes {
        let Ratio { median, lower_quartile, upper_quartile } = size.first_verdict;
        let micro = |nanoseconds: f64| nanoseconds / 1000.0;
        write!(
            page,
            "| {} / {} | {:.1} [{:.1}, {:.1}] |",
            size.mounts,
            size.registered,
            micro(median),
            micro(lower_quartile),
            micro(upper_quartile)
        )?;
        match &size.storm {
            Some(storm) => writeln!(
                page,
                " {:.0} | {:.0} | {} | {} |",
                storm.changes_a_second, storm.verdicts_a_second, storm.compared, storm.wrong
            )?,
            None => page.push_str(" | | | |\n"),
        }
    }
    page.push('\n');
    Ok(())
}

fn others(page: &mut String, figures: &Figures) -> std::fmt::Result {
    page.push_str("## The command\n\n`mountguard check`, from exec to exit, as a multiple of a program that does nothing, built the same way.\n\n| mounts / registered | multiple |\n|---|---|\n");
    for start in &figures.starts {
        writeln!(page, "| {} / {} | {} |", start.mounts, start.registered, spread(start.check))?;
    }
    page.push_str("\n## Changing the registry\n\nWith 10,000 mountpoints, as a multiple of writing and fsyncing a file of that size.\n\n| change | multiple |\n|---|---|\n");
    for (name, ratio) in &figures.writes {
        writeln!(page, "| {name} | {} |", spread(*ratio))?;
    }
    page.push_str("\n## Many at once\n\nVerdicts a second of all processes together.\n\n| processes | verdicts a second |\n|---|---|\n");
    for (processes, verdicts) in &figures.contention {
        writeln!(page, "| {processes} | {verdicts:.0} |")?;
    }
    page.push_str("\n## Memory\n\nWhat a process has more for itself once it has opened the registry and asked twenty times.\n\n| registered | KiB |\n|---|---|\n");
    for (registered, bytes) in &figures.memory {
        writeln!(page, "| {registered} | {:.0} |", bytes / 1024.0)?;
    }
    page.push_str("\n## Instructions\n\nIn user space, by callgrind, with 10,000 registered. Valgrind knows neither `statmount` nor `openat2`, so that what is\ncounted are the fall-backs: reused mount ids, and a walk by component. The system calls are asserted in `mount-core/tests/syscalls.rs`.\n\n| question | instructions | recorded before |\n|---|---|---|\n");
    for (question, count) in &figures.instructions {
        let before = figures.before["instructions"][*question].as_u64();
        let before = before.map_or_else(String::new, |count| count.to_string());
        writeln!(page, "| {question} | {count} | {before} |")?;
    }
    Ok(())
}
