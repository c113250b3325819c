//! The picture for monitoring systems.

use mount_core::registry::Mode;
use mount_core::{Presence, State};

use super::{Health, Look};
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
    health: Health,
    why: Option<String>,
    /// Read-only, though read-write was recorded.
    read_only: bool,
}

impl Item {
    /// A wildcard as such is no mountpoint, and one that is ignored is nobody's business.
    fn of(look: &Look) -> Option<Item> {
        let entry = &look.subject.entry;
        let examination = look.examination.as_ref().filter(|_| entry.state != State::Ignore)?;
        let (presence, health) = super::judged(look, examination);
        let why = super::why(look, examination, &presence, &health);
        let read_only = examination.filesystem.as_ref().is_some_and(|found| found.read_only);
        Some(Item {
            path: readable(look.subject.mountpoint.as_ref()?.as_os_str().as_encoded_bytes()),
            state: entry.state,
            presence,
            health,
            why,
            read_only: read_only && entry.options.mode() == Some(Mode::ReadWrite),
        })
    }

    fn is_expected(&self) -> bool {
        self.state == State::Online
    }

    /// It is there, and has not said otherwise of itself.
    fn is_present(&self) -> bool {
        let is_there = matches!(self.presence, Presence::Mounted | Presence::Idle);
        is_there && matches!(self.health, Health::Well | Health::Closed(_))
    }

    fn severity(&self) -> u8 {
        match &self.presence {
            // Somebody has said that it is not to be used.
            _ if !self.is_expected() => OK,
            Presence::Unknown(_) => UNKNOWN,
            Presence::NotMounted | Presence::WrongFilesystem(_) | Presence::Stuck => CRITICAL,
            Presence::Mounted | Presence::Idle => match self.health {
                Health::Failing(_) => CRITICAL,
                Health::Unasked(_) => UNKNOWN,
                Health::Closed(_) => WARNING,
                Health::Well if self.read_only => WARNING,
                Health::Well => OK,
            },
        }
    }

    /// What is wrong with it, in a word.
    fn trouble(&self) -> &'static str {
        match (&self.presence, &self.health) {
            (Presence::Mounted, Health::Failing(_)) => "failing",
            (Presence::Mounted, Health::Closed(_)) => "out of reach",
            (Presence::Mounted | Presence::Idle, Health::Well) => "read-only",
            (presence, _) => presence.as_str(),
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
        text += &format!("; {} is {}{why}", item.path, item.trouble());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(health: Health) -> Item {
        let (state, presence, path) = (State::Online, Presence::Mounted, "/srv/mail".to_owned());
        Item { path, state, presence, health, why: None, read_only: false }
    }

    #[test]
    fn what_could_not_be_asked_is_unknown_and_not_present() {
        let item = mounted(Health::Unasked("not asked"));
        assert_eq!((item.severity(), item.is_present(), item.trouble()), (UNKNOWN, false, "mounted"));
    }

    #[test]
    fn error_of_a_filesystem_counts_only_where_it_is_expected() {
        let item = mounted(Health::Failing("input/output error".to_owned()));
        assert_eq!((item.severity(), item.is_present(), item.trouble()), (CRITICAL, false, "failing"));
        assert_eq!(Item { state: State::Offline, ..item }.severity(), OK);
    }
}
