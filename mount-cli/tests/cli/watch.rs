//! `watch`: a line for each change, and a prober that finds out what is stuck.
//!
//! Filesystems are taken away lazily: a plain `umount` finds one busy in the instant that it is asked in.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::lab;
use fixtures::lab::{Call, Lab};
use mount_core::probe::wait_for_any;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Guard, scale, text, until};

/// Far more than a line may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running `mountguard watch`.
struct Watcher {
    child: Child,
    output: ChildStdout,
    unread: Vec<u8>,
}

impl Watcher {
    fn start<A: AsRef<OsStr>>(guard: &Guard, options: &[A]) -> Watcher {
        Watcher::of(guard.command(&["watch"]).args(options))
    }

    fn of(command: &mut Command) -> Watcher {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("start watching");
        let output = child.stdout.take().expect("its output");
        Watcher { child, output, unread: Vec::new() }
    }

    /// The next line, if there is one in time.
    fn line_within(&mut self, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8(line).expect("output is UTF-8").trim_end().to_owned());
            }
            if !wait_for_any(&[self.output.as_fd()], deadline) {
                return None;
            }
            let mut chunk = [0; 4096];
            let length = self.output.read(&mut chunk).expect("read its output");
            assert!(length > 0, "it has ended");
            self.unread.extend_from_slice(&chunk[..length]);
        }
    }

    /// Path and change of the next line that is not about the marker.
    #[track_caller]
    fn next(&mut self) -> String {
        loop {
            let line = path_and_change(&self.line_within(PATIENCE).expect("a line in time"));
            if !line.starts_with("marker ") {
                return line;
            }
        }
    }

    fn status(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let value = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line of that name");
        value.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
    }

    /// Its children, by state: `D` hangs in a filesystem, `Z` is dead but not reaped.
    fn children(&self) -> usize {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        fs::read_to_string(path).expect("it runs").split_whitespace().count()
    }

    /// Has seen everything that happened before; what it wrote until then.
    fn settle(&mut self, lab: &Lab, guard: &Guard) -> Vec<String> {
        guard.add(lab.tmpfs("marker").path());
        let mut lines = Vec::new();
        // What is registered before it takes its first look is no news; a change of state later on is.
        for state in ["offline", "online"].into_iter().cycle() {
            while let Some(line) = self.line_within(Duration::from_secs(1)) {
                match path_and_change(&line) {
                    line if line.starts_with("marker ") => return lines,
                    line => lines.push(line),
                }
            }
            guard.must(&["state", "/media/marker", state]);
        }
        lines
    }

    fn end(mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert_eq!((status.code(), status.signal()), (Some(0), None));
    }
}

fn path_and_change(line: &str) -> String {
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!(fields.len(), 7, "{line:?}");
    format!("{} {}", fields[1].trim_start_matches("/media/"), fields[2])
}

#[test]
fn each_change_is_a_line_as_it_happens() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        guard.must(&["add", "--not-mounted", "/media/absent"]);
        let mut watcher = Watcher::start(&guard, &["--interval", "3600"]);
        assert_eq!(watcher.next(), "absent gone", "what is not as it ought to be at the beginning");
        mail.take_away_lazily();
        assert_eq!(watcher.next(), "mail gone");
        mail.bring_back();
        assert_eq!(watcher.next(), "mail mounted");
        mail.remount_read_only();
        assert_eq!(watcher.next(), "mail read-only");
        let other = lab.overlay("mail");
        assert_eq!(watcher.next(), "mail replaced");
        other.take_away_lazily();
        assert_eq!(watcher.next(), "mail replaced");
        assert_eq!(watcher.next(), "mail read-only");
        guard.must(&["state", text(mail.path()), "offline"]);
        assert_eq!(watcher.next(), "mail state");
        guard.must(&["remove", "/media/absent"]);
        assert_eq!(watcher.next(), "absent removed");
        guard.must(&["add", "/media"]);
        let line = watcher.line_within(PATIENCE).expect("a line");
        assert!(line.ends_with("Z\t/media\tregistered\tonline\ttmpfs\tlab\t-"), "{line}");
        watcher.end();
    });
}

#[test]
fn children_of_a_wildcard_come_and_go() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        lab.dir("tank");
        guard.must(&["add", "/media/tank/*"]);
        let mut watcher = Watcher::start(&guard, &["--interval", "3600"]);
        watcher.settle(lab, &guard);
        let bob = lab.tmpfs("tank/bob");
        assert_eq!(watcher.next(), "tank/bob mounted");
        bob.take_away_lazily();
        assert_eq!(watcher.next(), "tank/bob gone");
        watcher.end();
    });
}

#[test]
fn burst_of_changes_ends_in_the_truth_and_in_no_more_memory() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (mail, index) = (lab.tmpfs("mail"), lab.tmpfs("index"));
        guard.add(mail.path());
        guard.add(index.path());
        let mut watcher = Watcher::start(&guard, &["--interval", "3600"]);
        mail.take_away_lazily();
        assert_eq!(watcher.next(), "mail gone");
        let memory = watcher.status("VmRSS:");
        // Read now and then, or the pipe would be full and the watcher wait.
        let mut lines = Vec::new();
        for cycle in 0..scale(500, 25_000) {
            mail.bring_back();
            mail.take_away_lazily();
            index.take_away_lazily();
            index.bring_back();
            if cycle % 100 == 0 {
                while let Some(line) = watcher.line_within(Duration::ZERO) {
                    lines.push(path_and_change(&line));
                }
                let of = |name: &'static str| move |line: &&String| line.starts_with(name);
                let (mail, index) = (lines.iter().rfind(of("mail ")), lines.iter().rfind(of("index ")));
                lines = mail.into_iter().chain(index).cloned().collect();
            }
        }
        lines.extend(watcher.settle(lab, &guard));
        // Neither need have been told: what comes and goes within a burst is no transition.
        let last_of = |name: &str| lines.iter().rfind(|line| line.starts_with(name)).cloned();
        assert!(last_of("mail ").is_none_or(|line| line == "mail gone"), "{lines:?}");
        assert!(last_of("index ").is_none_or(|line| line == "index mounted"), "{lines:?}");
        let grown = watcher.status("VmRSS:").saturating_sub(memory);
        assert!(grown < 1024, "{grown} KiB more");
        watcher.end();
    });
}

#[test]
fn nothing_happens_and_nobody_wakes_up() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard.add(lab.tmpfs("mail").path());
        let mut watcher = Watcher::start(&guard, &["--interval", "3600"]);
        assert_eq!(watcher.settle(lab, &guard), [""; 0]);
        // Probes of the new one, and their ends.
        until(|| watcher.children() == 0);
        assert_eq!(watcher.line_within(Duration::from_secs(1)), None);
        let wake_ups = || watcher.status("voluntary_ctxt_switches:");
        let before = wake_ups();
        let seconds = scale(3, 60);
        assert!(!wait_for_any(&[watcher.output.as_fd()], Instant::now() + Duration::from_secs(seconds)));
        assert_eq!(wake_ups(), before);
        watcher.end();
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn hung_filesystem_is_refused_by_guards_until_it_answers_and_holds_one_process() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (mail, hung) = (lab.tmpfs("mail"), lab.fuse_healthy("hung"));
        guard.add(mail.path());
        guard.add(hung.path());
        let mut watcher = Watcher::start(&guard, &["--interval", "0.2", "--timeout", "0.5"]);
        watcher.settle(lab, &guard);
        hung.hang();
        assert_eq!(watcher.next(), "hung stuck");
        until(|| guard.run(&["check", "/media/hung/bob"]).code == Some(75));
        guard.run(&["check", "/media/hung/bob"]).fails(75, &["stuck"]);
        guard.must(&["check", "/media/mail/bob"]);
        for _ in 0..scale(10, 3600) {
            assert_eq!(watcher.line_within(Duration::from_millis(200)), None);
            until(|| watcher.children() == 1);
        }
        hung.recover();
        assert_eq!(watcher.next(), "hung answers");
        until(|| guard.run(&["check", "/media/hung/bob"]).code == Some(0));
        watcher.end();
    });
}

/// Lazily unmounted and mounted again within one burst: what is seen before and after is a mount at that path.
fn stuck_filesystem_is_replaced_by_a_healthy_one(lab: &Lab) {
    let guard = Guard::new(lab);
    let hung = lab.fuse_healthy("hung");
    guard.add(hung.path());
    let mut watcher = Watcher::start(&guard, &["--interval", "1", "--timeout", "0.2"]);
    watcher.settle(lab, &guard);
    hung.hang();
    assert_eq!(watcher.next(), "hung stuck");
    until(|| guard.run(&["check", "/media/hung/bob"]).code == Some(75));
    hung.take_away_lazily();
    let _healthy = lab.tmpfs("hung");
    until(|| guard.run(&["check", "/media/hung/bob"]).code == Some(0));
    watcher.end();
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn filesystem_in_the_place_of_a_stuck_one_is_permitted() {
    lab!(stuck_filesystem_is_replaced_by_a_healthy_one);
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn filesystem_in_the_place_of_a_stuck_one_is_permitted_where_mount_ids_come_again() {
    lab!(|lab| {
        lab.without(Call::MISSING_BEFORE_6_8);
        stuck_filesystem_is_replaced_by_a_healthy_one(lab);
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn hung_child_of_a_wildcard_is_refused_and_its_siblings_go_on() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let (_ann, bob) = (lab.tmpfs("tank/ann"), lab.fuse_healthy("tank/bob"));
        guard.must(&["add", "/media/tank/*"]);
        let mut watcher = Watcher::start(&guard, &["--interval", "0.2", "--timeout", "0.5"]);
        watcher.settle(lab, &guard);
        bob.hang();
        assert_eq!(watcher.next(), "tank/bob stuck");
        until(|| guard.run(&["check", "/media/tank/bob/x"]).code == Some(75));
        guard.must(&["check", "/media/tank/ann/x"]);
        assert!(!guard.must(&["state"]).contains("bob"), "no registration");
        bob.recover();
        assert_eq!(watcher.next(), "tank/bob answers");
        until(|| guard.run(&["check", "/media/tank/bob/x"]).code == Some(0));
        watcher.end();
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn what_was_recorded_is_taken_back_at_the_end() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let hung = lab.fuse_healthy("hung");
        guard.add(hung.path());
        hung.hang();
        let mut watcher = Watcher::start(&guard, &["--interval", "0.2", "--timeout", "0.2"]);
        assert_eq!(watcher.next(), "hung stuck");
        let runtime = || fs::read_to_string(guard.run.join("mounts")).expect("the runtime file");
        until(|| runtime().contains("observed=stuck"));
        watcher.end();
        assert!(!runtime().contains("stuck"), "{}", runtime());
    });
}

#[test]
#[ignore = "needs root: /dev/fuse"]
fn dead_filesystem_is_told_and_stays_permitted() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let fuse = lab.fuse_healthy("fuse");
        guard.add(fuse.path());
        let mut watcher = Watcher::start(&guard, &["--interval", "0.2"]);
        watcher.settle(lab, &guard);
        fuse.die();
        assert_eq!(watcher.next(), "fuse failing");
        // The answer of the work itself says more than a refusal could, and nobody takes it for an empty directory.
        guard.must(&["check", "/media/fuse"]);
        watcher.end();
    });
}

#[test]
#[ignore = "needs root: autofs"]
fn expired_automount_is_idle_and_not_gone() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let auto = lab.autofs("auto");
        guard.add(auto.path());
        let mut watcher = Watcher::start(&guard, &["--interval", "3600"]);
        watcher.settle(lab, &guard);
        auto.trigger();
        assert_eq!(watcher.next(), "auto mounted");
        // Who asks it uses it.
        until(|| watcher.children() == 0);
        auto.expire();
        assert_eq!(watcher.next(), "auto idle");
        watcher.end();
    });
}

/// Has the watch run a command for two changes.
fn command_is_run_twice(lab: &Lab, start: impl FnOnce(&Guard, &[&str]) -> Command) {
    let guard = Guard::new(lab);
    let mail = lab.tmpfs("my mail");
    guard.add(mail.path());
    let log = lab.path("log");
    let hook = format!("echo \"$MOUNTGUARD_CHANGE $MOUNTGUARD_PATH\" >> {}; echo said", log.display());
    let arguments = ["watch", "--interval", "3600", "--exec", &hook];
    let mut watcher = Watcher::of(&mut start(&guard, &arguments));
    watcher.settle(lab, &guard);
    mail.take_away_lazily();
    assert_eq!(watcher.next(), "my\\040mail gone", "what the command says is no data");
    mail.bring_back();
    assert_eq!(watcher.next(), "my\\040mail mounted");
    let expected = "gone /media/my mail\nmounted /media/my mail\n";
    until(|| fs::read_to_string(&log).is_ok_and(|text| text.ends_with(expected)));
    until(|| watcher.children() == 0);
    watcher.end();
}

#[test]
fn command_is_run_for_each_change_in_its_turn() {
    lab!(|lab| command_is_run_twice(lab, |guard, arguments| guard.command(arguments)));
}

#[test]
fn command_is_run_for_each_change_also_where_ends_of_children_were_ignored() {
    lab!(|lab| command_is_run_twice(lab, Guard::childless));
}

#[test]
fn json_is_an_object_a_line() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard.must(&["add", "--not-mounted", "/media/absent"]);
        let mut watcher = Watcher::start(&guard, &["--format", "json"]);
        let line = watcher.line_within(PATIENCE).expect("a line");
        assert!(
            line.starts_with('{') && line.contains("\"change\":\"gone\",") && line.ends_with('}'),
            "{line}"
        );
        watcher.end();
        guard.run(&["--pid", "1", "watch"]).fails(64, &["nsenter"]);
    });
}

#[test]
fn registry_that_is_damaged_meanwhile_is_told_once_each_time() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard.add(lab.tmpfs("mail").path());
        guard.must(&["add", "--not-mounted", "/media/absent"]);
        let diagnosis = lab.path("diagnosis");
        let file = fs::File::create(&diagnosis).expect("a file");
        let mut watcher = Watcher::of(guard.command(&["watch", "--interval", "0.1"]).stderr(file));
        assert_eq!(watcher.next(), "absent gone", "it has begun");
        let told = || fs::read_to_string(&diagnosis).expect("readable").matches("line 1").count();
        let replace = |bytes: &[u8]| {
            let temporary = guard.run.join("new");
            fs::write(&temporary, bytes)
                .and_then(|()| fs::rename(&temporary, guard.run.join("mounts")))
                .expect("replace");
        };
        // It sleeps between two looks.
        let some_more_looks = || {
            let enough = watcher.status("voluntary_ctxt_switches:") + 5;
            until(|| watcher.status("voluntary_ctxt_switches:") > enough);
        };
        let healthy = fs::read(guard.run.join("mounts")).expect("the runtime registry");
        for times in 1..=2 {
            replace(b"# nothing that is known\n");
            until(|| told() == times);
            some_more_looks();
            assert_eq!(told(), times);
            replace(&healthy);
            some_more_looks();
        }
        watcher.end();
        assert_eq!(told(), 2);
    });
}
