//! What the figures are to keep to, and whether they do.

use super::table::{Table, number};
use crate::contest::Figure;
use crate::figures::{Figures, Size, find};

/// Most that a question may cost, in multiples of one `statx`, at any size.
const QUESTIONS: [(&str, f64); 5] = [
    ("presence", 1.2),
    ("presence below an automount", 2.5),
    ("presence below FUSE", 2.5),
    ("verdict", 3.2),
    ("verdict, to be created", 6.0),
];

/// Most that a permit may cost more than a verdict.
const PERMIT: f64 = 2.3;

/// Most that a figure may grow by, from the smallest to the largest size.
pub(super) const GROWTH: f64 = 1.2;

/// With so many mounts, how many times faster than the first Dovecot's rule.
const FASTER: [(usize, f64); 2] = [(20, 20.0), (5_000, 3_000.0)];
const FIRST_RULE: &str = "first Dovecot's rule";

/// What of ours answers the two questions that peers are asked.
const OURS: [&str; 2] = ["presence", "verdict, to be created"];

/// Most that `mountguard check` may take, with at most so many mounts.
const START: (f64, usize) = (1.3, 5_000);

/// Most that a change of the registry may take.
const CHANGE: f64 = 1.5;

/// Most that a mail process may have for the plugin, in KiB, by registered mountpoints.
const MEMORY: [(usize, f64); 2] = [(1, 256.0), (10_000, 2048.0)];

/// Most that a command may cost with the plugin, by registered mountpoints.
const COMMANDS: [(usize, f64); 3] = [(0, 1.005), (1, 1.02), (1_000, 1.02)];

/// One of them.
struct Bound {
    what: String,
    measured: f64,
    limit: Limit,
}

enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn at_most(what: impl Into<String>, measured: f64, limit: f64) -> Self {
        Bound { what: what.into(), measured, limit: Limit::AtMost(limit) }
    }

    fn at_least(what: impl Into<String>, measured: f64, limit: f64) -> Self {
        Bound { what: what.into(), measured, limit: Limit::AtLeast(limit) }
    }

    fn is_kept(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.measured <= limit,
            Limit::AtLeast(limit) => self.measured >= limit,
        }
    }

    fn row(&self) -> [String; 4] {
        let limit = match self.limit {
            Limit::AtMost(limit) => format!("at most {limit}"),
            Limit::AtLeast(limit) => format!("at least {limit}"),
        };
        // A bound of a few thousandths wants as many digits.
        let measured = match self.limit {
            Limit::AtMost(limit) if (1.0..1.1).contains(&limit) => format!("{:.3}", self.measured),
            _ => number(self.measured),
        };
        let kept = if self.is_kept() { "kept" } else { "**not kept**" };
        [self.what.clone(), measured, limit, kept.to_owned()]
    }
}

/// All of them in one table, which a sentence precedes.
pub(super) fn write(figures: &Figures) -> String {
    let bounds: Vec<Bound> = [questions, growth, peers, storm, contention, memory, registry, start, plugin]
        .iter()
        .flat_map(|section| section(figures))
        .collect();
    let mut table = Table::new(["what", "measured", "bound", ""]);
    bounds.iter().for_each(|bound| table.row(bound.row()));
    let kept = bounds.iter().filter(|bound| bound.is_kept()).count();
    format!(
        "{kept} of {} bounds are kept. What is compared with them is the median.\n\n{table}",
        bounds.len()
    )
}

fn sizes(figures: &Figures) -> &[Size] {
    figures.questions.as_ref().map_or(&[], |section| &section.measured)
}

fn highest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::max)
}

fn lowest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::min)
}

fn questions(figures: &Figures) -> Vec<Bound> {
    let bound = |(name, limit): (&str, f64)| {
        let medians = sizes(figures).iter().filter_map(|size| Some(size.ratio(name)?.median));
        let what = format!("{name}, in multiples of one `statx`, at the worst of all sizes");
        Some(Bound::at_most(what, highest(medians)?, limit))
    };
    let beyond = |size: &Size| Some(size.ratio("permit")?.median - size.ratio("verdict")?.median);
    let permit = highest(sizes(figures).iter().filter_map(beyond))
        .map(|worst| Bound::at_most("what a permit takes beyond a verdict, in the same way", worst, PERMIT));
    QUESTIONS.into_iter().filter_map(bound).chain(permit).collect()
}

/// By how much a figure grows from the smallest size to the largest.
pub(super) fn grown(sizes: &[Size], name: &str) -> Option<f64> {
    Some(sizes.last()?.ratio(name)?.median / sizes.first()?.ratio(name)?.median)
}

fn growth(figures: &Figures) -> Vec<Bound> {
    let sizes = sizes(figures);
    let names = sizes.first().map_or(&[] as &[Figure], |size| &size.ours).iter();
    let worst = names.filter_map(|figure| Some((grown(sizes, &figure.name)?, &figure.name)));
    let worst = worst.max_by(|(one, _), (other, _)| one.total_cmp(other));
    let bound = |(grown, name): (f64, &String)| {
        let what = format!("growth from the smallest size to the largest, of what grows most ({name})");
        Bound::at_most(what, grown, GROWTH)
    };
    worst.map(bound).into_iter().collect()
}

/// How many times faster than a peer we are, for both questions where it can answer them.
pub(super) fn faster<'s>(size: &'s Size, peer: &'s str) -> impl Iterator<Item = f64> + 's {
    let theirs = [&size.peers_is_mounted, &size.peers_may_create];
    OURS.into_iter()
        .zip(theirs)
        .filter_map(move |(ours, theirs)| Some(find(theirs, peer)?.median / size.ratio(ours)?.median))
}

fn peers(figures: &Figures) -> Vec<Bound> {
    let sizes = sizes(figures);
    let rule = |(mounts, limit): (usize, f64)| {
        let size = sizes.iter().find(|size| size.mounts == mounts && !size.peers_is_mounted.is_empty());
        let times = size.map(|size| faster(size, FIRST_RULE).zip(OURS)).into_iter().flatten();
        times.map(move |(times, ours)| {
            let what = format!("{ours} at {mounts} mounts, times faster than the first Dovecot's rule");
            Bound::at_least(what, times, limit)
        })
    };
    let all = sizes.iter().flat_map(|size| {
        let names = size.peers_is_mounted.iter().map(|figure| figure.name.as_str());
        names.flat_map(|name| faster(size, name))
    });
    let every = lowest(all).map(|times| {
        Bound::at_least("times faster than the fastest peer, at the worst size and question", times, 1.0)
    });
    FASTER.into_iter().flat_map(rule).chain(every).collect()
}

fn storm(figures: &Figures) -> Vec<Bound> {
    let wrong = sizes(figures).iter().filter_map(|size| Some(size.storm.as_ref()?.wrong as f64));
    let bound = |wrong| Bound::at_most("wrong verdicts while the mount table changes", wrong, 0.0);
    wrong.reduce(|one, other| one + other).map(bound).into_iter().collect()
}

fn contention(figures: &Figures) -> Vec<Bound> {
    let Some(section) = &figures.contention else { return Vec::new() };
    let alone = section.measured.first().map_or(f64::NAN, |alone| alone.ratio.median);
    let worst = highest(section.measured.iter().map(|many| many.ratio.median / alone));
    let what = "growth of a verdict, in multiples of one `statx`, from one process to any number of them";
    worst.map(|worst| Bound::at_most(what, worst, GROWTH)).into_iter().collect()
}

fn memory(figures: &Figures) -> Vec<Bound> {
    let Some(section) = &figures.plugin else { return Vec::new() };
    let bound = |(registered, limit): (usize, f64)| {
        let memory = section.measured.memory.iter().find(|memory| memory.registered == registered)?;
        let what = format!("KiB of a mail process for the plugin, {registered} registered");
        Some(Bound::at_most(what, memory.private.median / 1024.0, limit))
    };
    MEMORY.into_iter().filter_map(bound).collect()
}

fn registry(figures: &Figures) -> Vec<Bound> {
    let Some(section) = &figures.registry else { return Vec::new() };
    let bound = |(change, ratio): &(String, crate::contest::Ratio)| {
        Bound::at_most(format!("registry: {change}, over writing a file of that size"), ratio.median, CHANGE)
    };
    section.measured.iter().filter(|(change, _)| change != crate::writes::BARE).map(bound).collect()
}

fn start(figures: &Figures) -> Vec<Bound> {
    let Some(section) = &figures.command else { return Vec::new() };
    let (limit, mounts) = START;
    let within = section.measured.iter().filter(|start| start.mounts <= mounts);
    let what =
        format!("`mountguard check` over a program that does nothing, at the worst up to {mounts} mounts");
    let worst = highest(within.map(|start| start.check.median));
    worst.map(|worst| Bound::at_most(what, worst, limit)).into_iter().collect()
}

fn plugin(figures: &Figures) -> Vec<Bound> {
    let Some(section) = &figures.plugin else { return Vec::new() };
    let bounds = section.measured.costs.iter().flat_map(|cost| {
        let limit =
            COMMANDS.iter().find(|(registered, _)| *registered == cost.registered).map(|(_, limit)| *limit);
        let kinds = [("instructions", cost.instructions), ("processor time", cost.processor_time.median)];
        kinds.into_iter().filter_map(move |(kind, multiple)| {
            let what = format!(
                "{} of {} with the plugin, {} registered: {kind}",
                cost.command, cost.format, cost.registered
            );
            Some(Bound::at_most(what, multiple, limit?))
        })
    });
    bounds.collect()
}
