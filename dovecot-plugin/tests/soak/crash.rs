//! Processes of Dovecot's that died, with their backtraces: from the log.

use std::collections::BTreeMap;

/// The plugin's file.
const OURS: &str = "lib00_mount_guard_plugin.so";

/// A process that a signal killed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Crash {
    /// Which service, and its last words.
    pub(crate) what: String,
    /// From the innermost; empty when there was no time for them.
    pub(crate) frames: Vec<String>,
}

impl Crash {
    /// Where it happened: not in the signal's handler, nor in what reports failed assertions.
    fn place(&self) -> Option<&str> {
        let is_report = |frame: &String| frame.contains("(i_panic+");
        let after_report = self.frames.iter().position(is_report).map_or(0, |at| at + 1);
        let mut frames = self.frames[after_report..].iter();
        frames.find(|frame| !frame.starts_with("libc.so")).map(String::as_str)
    }

    /// What crashes of the same kind have in common.
    pub(crate) fn kind(&self) -> (String, Option<&str>) {
        let without_numbers = self.what.chars().filter(|letter| !letter.is_ascii_digit());
        (without_numbers.collect(), self.place())
    }

    /// Whether it happened in the plugin itself. That the plugin called what crashed says little: nearly all that
    /// Dovecot does to a mailbox goes through it.
    pub(crate) fn is_ours(&self) -> bool {
        self.place().is_some_and(|frame| frame.starts_with(OURS))
    }
}

/// The crashes that a log tells of.
pub(crate) fn crashes(log: &str) -> Vec<Crash> {
    let mut crashes: BTreeMap<u32, Crash> = BTreeMap::new();
    let mut words: BTreeMap<u32, &str> = BTreeMap::new();
    for line in log.lines() {
        if let Some((head, frames)) = line.split_once(", Raw backtrace: ") {
            let pid = head.rsplit_once("in process ").and_then(|(_, pid)| pid.parse().ok());
            let crash = crashes.entry(pid.unwrap_or_default()).or_default();
            crash.frames = frames.split(" < ").map(str::to_owned).collect();
        } else if let Some((head, panic)) = line.split_once(": Panic: ") {
            words.insert(pid_before(head).unwrap_or_default(), panic);
        } else if let Some((head, signal)) = line.split_once(" killed with signal ") {
            let (service, pid) = head.rsplit_once(": child ").unwrap_or_default();
            let pid = pid.parse().unwrap_or_default();
            let signal = signal.split(' ').next().unwrap_or_default();
            let service = service.rsplit_once("service(").map_or("", |(_, name)| name.trim_end_matches(')'));
            let panic = words.get(&pid).copied().unwrap_or_default();
            crashes.entry(pid).or_default().what =
                format!("{service}: signal {signal} {panic}").trim().to_owned();
        }
    }
    crashes.into_values().collect()
}

/// The process id that ends the prefix of a log line: `imap(u1)<123><session>` or `lmtp(123)`.
fn pid_before(prefix: &str) -> Option<u32> {
    let mut words = prefix.split(['<', '>', '(', ')']).skip(1);
    words.find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
Nov 24 08:00:00 imap(u1)<12><x>: Panic: file a.c: line 7: assertion failed: (b)
Nov 24 08:00:00 imap(u1)<12><x>: Error: Raw backtrace: a -> b
Nov 24 08:00:00 imap(u1)<12><x>: Error: signal 6 in process 12, Raw backtrace: libc.so.6(abort+0xd3) < \
libdovecot.so.0(i_panic+0x1) < libdovecot-storage.so.0(mail_set_critical+0x2) < lib00_mount_guard_plugin.so(+0x3)
Nov 24 08:00:00 imap(u1)<12><x>: Fatal: master: service(imap): child 12 killed with signal 6 (core dumped)
Nov 24 08:00:00 lmtp: Error: signal 11 in process 13, Raw backtrace: libc.so.6(+0x1) < \
lib00_mount_guard_plugin.so(+0x2) < libdovecot.so.0(io_loop_run+0x3)
Nov 24 08:00:00 master: Error: service(lmtp): child 13 killed with signal 11 (core not dumped)
Nov 24 08:00:00 master: Error: service(lmtp): child 14 killed with signal 9
";

    #[test]
    fn crash_belongs_to_whose_code_it_happened_in() {
        let [panic, fault, killed] = crashes(LOG).try_into().expect("three processes died");
        assert_eq!(panic.what, "imap: signal 6 file a.c: line 7: assertion failed: (b)");
        assert_eq!(panic.place(), Some("libdovecot-storage.so.0(mail_set_critical+0x2)"));
        assert_eq!((fault.what.as_str(), killed.what.as_str()), ("lmtp: signal 11", "lmtp: signal 9"));
        assert_eq!([&panic, &fault, &killed].map(Crash::is_ours), [false, true, false]);
    }
}
