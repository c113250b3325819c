//! The picture for monitoring systems.

use mount_core::registry::Mode;
use mount_core::{Presence, State};

use super::Look;
use crate::output::sentence;

/// Exit codes of a check.
const OK: u8 = 0;
const WARNING: u8 = 1;
const CRITICAL: u8 = 2;
pub(super) const UNKNOWN: u8 = 3;

/// One mountpoint as monitoring sees it.
struct Item {
    path: String,
    state: State,
    presence: Presence,
    why: Option<String>,
    /// Read-only, though read-write was recorded.
    read_only: bool,
}

impl Item {
    /// A wildcard as such is no mountpoint, and one that is ignored is nobody's business.
    fn of(look: &Look) -> Option<Item> {
        let entry = &look.subject.entry;
        let examination = look.examination.as_ref().filter(|_| entry.state != State::Ignore)?;
        let (presence, why) = super::judged(look, examination);
        let read_only = examination.filesystem.as_ref().is_some_and(|found| found.read_only);
        Some(Item {
            path: readable(look.subject.mountpoint.as_ref()?.as_os_str().as_encoded_bytes()),
            state: entry.state,
            presence,
            why,
            read_only: read_only && entry.options.mode() == Some(Mode::ReadWrite),
        })
    }

    fn is_expected(&self) -> bool {
        self.state == State::Online
    }

    fn is_present(&self) -> bool {
        matches!(self.presence, Presence::Mounted | Presence::Idle)
    }

    fn severity(&self) -> u8 {
        match &self.presence {
            // Somebody has said that it is not to be used.
            _ if !self.is_expected() => OK,
            Presence::Mounted | Presence::Idle if self.read_only => WARNING,
            Presence::Mounted | Presence::Idle => OK,
            Presence::Unknown(_) => UNKNOWN,
            Presence::NotMounted | Presence::WrongFilesystem(_) | Presence::Stuck => CRITICAL,
        }
    }
}

/// Metrics in the text format that node_exporter's textfile collector takes.
pub(super) fn prometheus(looks: &[Look]) -> Vec<u8> {
    let items: Vec<Item> = looks.iter().filter_map(Item::of).collect();
    let mut text = String::new();
    let mut metric =
        |name: &str, help: &str, value: &dyn Fn(&Item) -> bool, label: &dyn Fn(&Item) -> String| {
            text += &format!("# HELP mountguard_{name} {help}\n# TYPE mountguard_{name} gauge\n");
            for item in &items {
                let path = item.path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let value = u8::from(value(item));
                text += &format!("mountguard_{name}{{mountpoint=\"{path}\"{}}} {value}\n", label(item));
            }
        };
    let none = |_: &Item| String::new();
    metric(
        "expected",
        "Whether the mountpoint ought to be mounted: its state is online.",
        &Item::is_expected,
        &none,
    );
    metric(
        "present",
        "Whether it is mounted and answers, or is an idle automount.",
        &Item::is_present,
        &none,
    );
    let absent = |item: &Item| item.is_expected() && !item.is_present();
    metric("expected_but_absent", "Whether it ought to be present and is not.", &absent, &none);
    metric(
        "read_only",
        "Whether it is read-only, though read-write was recorded.",
        &|item| item.read_only,
        &none,
    );
    let labels = |item: &Item| format!(",state=\"{}\",presence=\"{}\"", item.state, item.presence.as_str());
    metric("info", "State and presence, as labels.", &|_| true, &labels);
    text.into_bytes()
}

/// One line with what is wrong and what can be drawn, and the exit code.
pub(super) fn nagios(looks: &[Look]) -> (Vec<u8>, u8) {
    let items: Vec<Item> = looks.iter().filter_map(Item::of).collect();
    // Critical is worse than unknown.
    let rank = |severity: u8| if severity == CRITICAL { u8::MAX } else { severity };
    let worst = items.iter().map(Item::severity).max_by_key(|severity| rank(*severity)).unwrap_or(OK);
    let expected = items.iter().filter(|item| item.is_expected()).count();
    let present = items.iter().filter(|item| item.is_expected() && item.is_present()).count();
    let mut text = format!("{present} of {expected} expected mountpoints are present");
    for item in items.iter().filter(|item| item.severity() != OK) {
        let why = item.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        let what = if item.severity() == WARNING { "read-only" } else { item.presence.as_str() };
        text += &format!("; {} is {what}{why}", item.path);
    }
    (
        line(worst, &text, &format!("|present={present};;;0;{expected} absent={};;;0;", expected - present)),
        worst,
    )
}

/// The line of a check that could not be made.
pub(super) fn nagios_unknown(text: &str) -> Vec<u8> {
    line(UNKNOWN, text, "")
}

fn line(severity: u8, text: &str, performance: &str) -> Vec<u8> {
    let word = match severity {
        OK => "OK",
        WARNING => "WARNING",
        CRITICAL => "CRITICAL",
        _ => "UNKNOWN",
    };
    // A bar begins the figures.
    format!("MOUNTGUARD {word} - {}{performance}\n", sentence(text).replace('|', "\\174")).into_bytes()
}

/// A path with octal escapes for what is no text.
fn readable(path: &[u8]) -> String {
    let mut out = String::new();
    for chunk in path.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\{byte:03o}"));
        }
    }
    out
}
