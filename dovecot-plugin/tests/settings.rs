//! What the administrator can say: states, modes, messages, and a registry that must be there.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fixtures::dovecot::{Format, Role, Truth};
use fixtures::lab;
use support::{Guard, Site, fill};

/// The log lines of the plugin, once there are so many: Dovecot's log is written by a process of its own.
fn said(site: &Site, expected: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let log = site.dovecot.log();
        let lines: Vec<_> =
            log.lines().filter(|line| line.contains("mount_guard: ")).map(str::to_owned).collect();
        if lines.len() >= expected || Instant::now() > deadline {
            return lines;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn state_counts_from_the_next_command_of_a_running_session() {
    lab!(|lab| {
        let site = Site::start(lab, Format::Mdbox, Guard::Guarded);
        fill(&site.dovecot);
        let mut imap = site.dovecot.imap("bob").expect("login");
        let mut answers = Vec::new();
        for state in ["online", "offline", "failover", "online"] {
            site.set_state(Role::Mail, state);
            answers.push(imap.command("STATUS INBOX (MESSAGES)").expect("IMAP").answer());
        }
        assert!(answers[0].starts_with("OK") && answers[3].starts_with("OK"), "{answers:?}");
        assert!(answers[1].starts_with("NO [UNAVAILABLE]") && answers[1].contains("offline"), "{answers:?}");
        assert!(answers[2].starts_with("NO [UNAVAILABLE]") && answers[2].contains("replica"), "{answers:?}");
        site.set_state(Role::Mail, "ignore");
        site.take_away(Role::Mail);
        let ignored = imap.command("SELECT Archive").expect("IMAP").answer();
        assert!(!ignored.contains("[UNAVAILABLE]"), "{ignored}");
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn one_outage_is_one_line_in_the_log_of_a_process() {
    lab!(|lab| {
        let site = Site::start(lab, Format::Maildir, Guard::Guarded);
        fill(&site.dovecot);
        let mut imap = site.dovecot.imap("bob").expect("login");
        for outage in 1..=2 {
            site.take_away(Role::Mail);
            for command in ["SELECT INBOX", "STATUS Archive (MESSAGES)", "CREATE New", "LIST \"\" *"] {
                imap.command(command).expect("IMAP");
            }
            let lines = said(&site, outage);
            assert_eq!(lines.len(), outage, "{lines:#?}");
            let line = lines.last().expect("a line");
            let mountpoint = site.mount(Role::Mail).path().display().to_string();
            for part in [mountpoint.as_str(), "online", "not-mounted", "mount it"] {
                assert!(line.contains(part), "{part} in {line}");
            }
            site.mount(Role::Mail).bring_back();
            assert!(imap.command("STATUS INBOX (MESSAGES)").expect("IMAP").is_ok());
        }
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn read_only_filesystem_is_one_line_in_the_log_though_it_is_read_meanwhile() {
    lab!(|lab| {
        let site = Site::start(lab, Format::Maildir, Guard::Guarded);
        fill(&site.dovecot);
        assert!(site.dovecot.await_quiet());
        let mail = site.mount(Role::Mail);
        let text = format!("# mountguard 1 generation=9\nonline {}\tmode=rw\n", mail.path().display());
        fs::write(site.dovecot.run_dir().join("mounts"), text).expect("the runtime registry");
        mail.remount_read_only();
        let mut imap = site.dovecot.imap("bob").expect("login");
        assert!(imap.command("SELECT INBOX").expect("IMAP").is_ok());
        for _ in 0..3 {
            assert!(!imap.command("COPY 1 Archive").expect("IMAP").is_ok());
            assert!(imap.command("FETCH 1:* BODY.PEEK[]").expect("IMAP").is_ok());
        }
        // Another outage, so that there is a last line to wait for.
        site.set_state(Role::Mail, "offline");
        fs::remove_file(site.dovecot.run_dir().join("mounts")).expect("the persistent registry counts again");
        assert!(!imap.command("STATUS Archive (MESSAGES)").expect("IMAP").is_ok());
        let lines = said(&site, 2);
        assert!(
            lines.len() == 2 && lines[0].contains("read-only") && lines[1].contains("offline"),
            "{lines:#?}"
        );
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn mode_log_refuses_nothing_and_says_what_it_would() {
    lab!(|lab| {
        let site = Site::start_with(lab, Format::Mdbox, Guard::Guarded, |config| {
            config.extra.push_str("plugin {\n  mount_guard_mode = log\n}\n");
        });
        fill(&site.dovecot);
        site.set_state(Role::Mail, "offline");
        let mut imap = site.dovecot.imap("bob").expect("login");
        assert!(imap.command("SELECT INBOX").expect("IMAP").is_ok());
        let lines = said(&site, 1);
        assert!(
            lines.iter().any(|line| line.contains("Warning: ") && line.contains("offline")),
            "{lines:#?}"
        );
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn client_is_told_the_administrators_words() {
    lab!(|lab| {
        let site = Site::start_with(lab, Format::Mdbox, Guard::Guarded, |config| {
            config.extra.push_str("plugin {\n  mount_guard_message = Back at six\n}\n");
        });
        fill(&site.dovecot);
        site.take_away(Role::Index);
        let mut imap = site.dovecot.imap("bob").expect("login");
        let answer = imap.command("SELECT INBOX").expect("IMAP").answer();
        assert!(answer.starts_with("NO [UNAVAILABLE] Back at six"), "{answer}");
        let mut pop3 = site.dovecot.pop3().expect("POP3");
        pop3.login("bob", fixtures::dovecot::PASSWORD).expect("POP3");
        let reply = pop3.command("STAT").expect("POP3");
        assert!(!reply.ok && reply.text.starts_with("[SYS/TEMP] "), "{reply:?}");
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn lost_registry_is_refused_where_one_is_required_only() {
    for (required, wanted) in [("required", "NO [UNAVAILABLE]"), ("optional", "OK")] {
        lab!(required, |lab| {
            let site = Site::start_with(lab, Format::Mdbox, Guard::Guarded, |config| {
                config.extra.push_str(&format!("plugin {{\n  mount_guard_registry = {required}\n}}\n"));
            });
            fill(&site.dovecot);
            fs::remove_file(site.dovecot.state_dir().join("mounts")).expect("the registry is lost");
            let _ = fs::remove_file(site.dovecot.run_dir().join("mounts"));
            let mut imap = site.dovecot.imap("bob").expect("login");
            let answer = imap.command("SELECT INBOX").expect("IMAP").answer();
            assert!(answer.starts_with(wanted), "{required}: {answer}");
        });
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn misspelt_setting_refuses_and_says_so() {
    lab!(|lab| {
        let site = Site::start_with(lab, Format::Mdbox, Guard::Guarded, |config| {
            config.extra.push_str("plugin {\n  mount_guard_mode = Log\n}\n");
        });
        let mut imap = site.dovecot.imap("bob").expect("login");
        let answer = imap.command("SELECT INBOX").expect("IMAP").answer();
        assert!(answer.starts_with("NO [UNAVAILABLE]"), "{answer}");
        let lines = said(&site, 1);
        assert!(lines.iter().any(|line| line.contains("mount_guard_mode = \"Log\"")), "{lines:#?}");
    });
}

/// A copy of the plugin that says it is for another Dovecot.
fn for_another_dovecot(plugin: &Path, copy: PathBuf) -> PathBuf {
    let mut bytes = fs::read(plugin).expect("the plugin");
    let ours = b"2.3.ABIv19(";
    let at = bytes.windows(ours.len()).position(|window| window == ours).expect("its version");
    bytes[at..at + ours.len()].copy_from_slice(b"2.3.ABIv18(");
    fs::write(&copy, bytes).expect("a copy of the plugin");
    copy
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn plugin_for_another_dovecot_is_not_loaded() {
    lab!(|lab| {
        let copy = lab.dir("plugins").join("lib00_mount_guard_plugin.so");
        let site = Site::start_with(lab, Format::Mdbox, Guard::Guarded, |config| {
            config.plugins = vec![for_another_dovecot(&config.plugins[0], copy)];
        });
        let session = site.dovecot.imap("bob").and_then(|mut imap| imap.command("SELECT INBOX"));
        assert!(!session.is_ok_and(|reply| reply.is_ok()), "the session goes on without its guard");
        let complaint = |log: &str| log.contains("mount_guard") && log.contains("ABI");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !complaint(&site.dovecot.log()) {
            assert!(Instant::now() < deadline, "{}", site.dovecot.log());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn nothing_registered_changes_nothing() {
    lab!(|lab| {
        let site = Site::start(lab, Format::Sdbox, Guard::Guarded);
        fs::write(site.dovecot.state_dir().join("mounts"), "# mountguard 1 generation=2\n")
            .expect("a registry");
        fill(&site.dovecot);
        let truth = Truth::of(&site.dovecot, "bob").expect("all can be read");
        assert_eq!(truth.mails(), 7);
        assert_eq!(said(&site, 0), Vec::<String>::new());
    });
}
