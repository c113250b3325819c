//! All that was measured, as it is kept in `docs/performance/figures.json`: the page is written from it, so that one
//! section can be measured anew.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::changes::{FirstVerdict, Storm};
use crate::contention::Contention;
use crate::contest::{Figure, Ratio};
use crate::instructions::Instructions;
use crate::plugin::Plugin;

/// All sections. One that was never measured is `None`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    pub questions: Option<Section<Vec<Size>>>,
    pub command: Option<Section<Vec<Start>>>,
    pub registry: Option<Section<Vec<(String, Ratio)>>>,
    pub contention: Option<Section<Vec<Contention>>>,
    pub memory: Option<Section<Vec<(usize, f64)>>>,
    pub instructions: Option<Section<Vec<Instructions>>>,
    pub plugin: Option<Section<Plugin>>,
}

/// What was measured together, and on what machine.
#[derive(Serialize, Deserialize)]
pub(crate) struct Section<T> {
    pub run: Run,
    pub measured: T,
}

/// The circumstances of a measurement.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Seconds since 1970 when `ci/bench` was started.
    pub started: u64,
    pub kernel: String,
    pub processor: String,
    /// Of the last minute, when it began and when it ended.
    pub load: (f64, f64),
}

impl Run {
    /// Begins now.
    pub(crate) fn begin() -> Self {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock that is later than 1970");
        Run {
            started: since.as_secs(),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            processor: processor(),
            load: (load(), load()),
        }
    }

    /// The section of what was measured until now.
    pub(crate) fn end<T>(&self, measured: T) -> Option<Section<T>> {
        let run = Run { load: (self.load.0, load()), ..self.clone() };
        Some(Section { run, measured })
    }
}

/// What was measured with so many mounts and registered mountpoints.
#[derive(Serialize, Deserialize)]
pub(crate) struct Size {
    pub mounts: usize,
    pub registered: usize,
    pub yardstick_nanoseconds: f64,
    pub ours: Vec<Figure>,
    pub floor: Vec<Figure>,
    /// Empty where they were measured with another number of registered mountpoints, which is all the same to them.
    pub peers_is_mounted: Vec<Figure>,
    pub peers_may_create: Vec<Figure>,
    pub first_verdict: FirstVerdict,
    pub storm: Option<Storm>,
}

impl Size {
    /// A figure of ours or of the bare calls.
    pub(crate) fn ratio(&self, name: &str) -> Option<Ratio> {
        find(&self.ours, name).or_else(|| find(&self.floor, name))
    }
}

pub(crate) fn find(figures: &[Figure], name: &str) -> Option<Ratio> {
    figures.iter().find(|figure| figure.name == name).map(|figure| figure.ratio)
}

/// `mountguard check`, as a multiple of a program that does nothing.
#[derive(Serialize, Deserialize)]
pub(crate) struct Start {
    pub mounts: usize,
    pub registered: usize,
    pub check: Ratio,
}

fn load() -> f64 {
    first_line("/proc/loadavg").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
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
