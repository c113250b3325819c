//! All that was measured, and as JSON.

use serde_json::{Value, json};

use crate::changes::Storm;
use crate::contest::{Figure, Ratio};

/// All figures of one run.
#[derive(Default)]
pub(crate) struct Figures {
    pub kernel: String,
    pub processor: String,
    pub load: String,
    pub sizes: Vec<Size>,
    pub starts: Vec<Start>,
    pub writes: Vec<(&'static str, Ratio)>,
    pub contention: Vec<(usize, f64)>,
    pub memory: Vec<(usize, f64)>,
    pub instructions: Vec<(&'static str, u64)>,
    /// The JSON of the run before.
    pub before: Value,
}

/// What was measured with so many mounts and registered mountpoints.
pub(crate) struct Size {
    pub mounts: usize,
    pub registered: usize,
    pub figures: Vec<Figure>,
    /// Nanoseconds.
    pub first_verdict: Ratio,
    pub storm: Option<Storm>,
}

impl Size {
    pub(crate) fn ratio(&self, name: &str) -> Option<Ratio> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.ratio)
    }
}

/// `mountguard check`, as a multiple of a program that does nothing.
pub(crate) struct Start {
    pub mounts: usize,
    pub registered: usize,
    pub check: Ratio,
}

impl Figures {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "kernel": self.kernel,
            "processor": self.processor,
            "load": self.load,
            "yardstick": "statx in C",
            "sizes": self.sizes.iter().map(size).collect::<Vec<_>>(),
            "check over nothing": self.starts.iter().map(|start| json!({
                "mounts": start.mounts, "registered": start.registered, "ratio": ratio(&start.check),
            })).collect::<Vec<_>>(),
            "registry over plain write": named(&self.writes, ratio),
            "verdicts a second by processes": self.contention,
            "bytes by registered": self.memory,
            "instructions": named(&self.instructions, |count| json!(count)),
        })
    }
}

fn named<T>(list: &[(&'static str, T)], value: impl Fn(&T) -> Value) -> Value {
    list.iter()
        .map(|(name, item)| ((*name).to_owned(), value(item)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn size(size: &Size) -> Value {
    let figures = size.figures.iter().map(|figure| {
        (figure.name.to_owned(), json!({ "ns": figure.nanoseconds, "ratio": ratio(&figure.ratio) }))
    });
    json!({
        "mounts": size.mounts,
        "registered": size.registered,
        "figures": figures.collect::<serde_json::Map<_, _>>(),
        "first verdict after a change, ns": ratio(&size.first_verdict),
        "storm": size.storm.as_ref().map(|storm| json!({
            "changes a second": storm.changes_a_second, "verdicts a second": storm.verdicts_a_second,
            "compared": storm.compared, "wrong": storm.wrong,
        })),
    })
}

fn ratio(ratio: &Ratio) -> Value {
    json!([ratio.lower_quartile, ratio.median, ratio.upper_quartile])
}
