//! What Dovecot does when it starts: the runtime registry is restored, and what changed is told once.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fixtures::dovecot::{Config, Dovecot, Format, Role, Store};
use fixtures::lab;
use fixtures::lab::Lab;
use support::built::mountguard;

/// What is shipped.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/start");

/// A shipped file with what `ci/install` puts elsewhere put where it is here.
fn shipped(name: &str, places: &[(&str, &Path)]) -> String {
    let text = fs::read_to_string(Path::new(SHIPPED).join(name)).expect("a shipped file");
    places.iter().fold(text, |text, (installed, here)| {
        assert!(text.contains(installed), "{installed} in {name}");
        text.replace(installed, &here.display().to_string())
    })
}

/// The shipped service, with its program in the laboratory.
fn service(lab: &Lab) -> String {
    let program = lab.path("start");
    fs::write(&program, shipped("start", &[("/usr/local/bin/mountguard", &mountguard())]))
        .expect("the program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("chmod");
    shipped("91-mount-guard-start.conf", &[("/usr/local/lib/mountguard/start", &program)])
}

/// Lines of the log that the service wrote, as soon as there are as many, without the time.
fn told(dovecot: &Dovecot, expected: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let log = dovecot.log();
        let lines = log.lines().filter_map(|line| line.split_once("mountguard: "));
        let lines: Vec<String> = lines.map(|(_, said)| said.to_owned()).collect();
        if lines.len() >= expected || Instant::now() > deadline {
            return lines;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn await_file(path: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match fs::read_to_string(path) {
            Ok(text) => return text,
            Err(error) => assert!(Instant::now() < deadline, "{path:?}: {error}"),
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn startup_service_registers_restores_and_says_so_once() {
    lab!(|lab| {
        let store = Store::new(Format::Maildir, lab.path("srv"));
        let mail = lab.tmpfs(store.mountpoint(Role::Mail));
        let mut config = Config::new(store);
        // Nobody opens mail here, so that the plugin need not be built for discovery to be content.
        for protocol in ["imap", "pop3", "lmtp"] {
            config.extra.push_str(&format!("protocol {protocol} {{\n  mail_plugins = mount_guard\n}}\n"));
        }
        config.extra.push_str(&service(lab));
        let dovecot = Dovecot::start(&config).expect("dovecot starts");
        let path = mail.path().display().to_string();
        // The laboratory is a filesystem above the other.
        let added = [lab.root(), mail.path()]
            .map(|path| format!("Info: {} added, for mail by setting mail_location", path.display()));
        assert_eq!(told(&dovecot, 2), added);
        let runtime = dovecot.run_dir().join("mounts");
        let restored = await_file(&runtime);
        assert!(restored.contains(&path), "{restored}");

        // Edited by hand, and the runtime file lost; a reload is a start for the service.
        let persistent = dovecot.state_dir().join("mounts");
        let edited = fs::read_to_string(&persistent).expect("the registry") + "offline /srv/by-hand\n";
        fs::write(&persistent, edited).expect("an edit");
        fs::remove_file(&runtime).expect("the runtime file is lost");
        assert!(dovecot.doveadm(&["reload"]).expect("doveadm").status.success());
        let restored = await_file(&runtime);
        assert!(restored.contains("offline /srv/by-hand") && restored.contains(&path), "{restored}");

        // One warning for what is away, however many starts there are, and one line for its return.
        mail.take_away_lazily();
        for start in 0..2 {
            fs::remove_file(&runtime).expect("the runtime file is lost");
            assert!(dovecot.doveadm(&["reload"]).expect("doveadm").status.success());
            await_file(&runtime);
            let lines = told(&dovecot, 3);
            assert_eq!(lines.len(), 3, "start {start}: {lines:#?}");
            assert!(lines[2].starts_with("Warning: ") && lines[2].contains(&path), "{lines:#?}");
        }
        mail.bring_back();
        assert!(dovecot.doveadm(&["reload"]).expect("doveadm").status.success());
        let lines = told(&dovecot, 4);
        assert_eq!(lines[3..], [format!("Info: {path} returned")]);
    });
}

/// The value of a setting of a unit.
fn setting<'t>(unit: &'t str, name: &str) -> &'t str {
    let line = unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{name} in {unit}"))
}

#[test]
#[ignore = "needs root: a registry of a service"]
fn command_before_the_start_restores_the_registry_and_never_holds_dovecot_back() {
    lab!(|lab| {
        let unit = shipped("mountguard.conf", &[("/usr/local/bin/mountguard", &mountguard())]);
        let command = setting(&unit, "ExecStartPre").strip_prefix('-').expect("failures are passed over");
        let (state, run) = (lab.dir("state"), lab.dir("run"));
        let mail = lab.tmpfs("srv/mail");
        let list = format!("# mountguard 1 generation=4\nonline {}\n", mail.path().display());
        fs::write(state.join("mounts"), &list).expect("the registry");
        let start = || {
            let mut words = command.split(' ');
            let mut command = Command::new(words.next().expect("a program"));
            command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            command.env("MOUNTGUARD_STATE_DIR", &state).env("MOUNTGUARD_RUN_DIR", &run);
            command.output().expect("the command")
        };
        let first = start();
        let restored = fs::read_to_string(run.join("mounts")).expect("the runtime registry");
        assert!(restored.contains(&mail.path().display().to_string()), "{restored} {first:?}");
        mail.take_away();
        let warned = String::from_utf8(start().stderr).expect("text");
        assert_eq!(warned.matches("not-mounted").count(), 1, "{warned}");
        assert!(!String::from_utf8_lossy(&start().stderr).contains("not-mounted"), "told once");
    });
}

#[test]
#[ignore = "needs root: systemd's own check"]
fn systemd_finds_nothing_wrong_with_the_drop_in() {
    lab!(|lab| {
        let drop_in = lab.dir("units/dovecot.service.d").join("mountguard.conf");
        let units = lab.path("units");
        fs::copy("/lib/systemd/system/dovecot.service", units.join("dovecot.service"))
            .expect("Debian's unit");
        let complaints = |text: &str| {
            fs::write(&drop_in, text).expect("the drop-in");
            let mut command = Command::new("systemd-analyze");
            command.args(["verify", "--man=no", "./dovecot.service"]).current_dir(&units);
            command.env("SYSTEMD_UNIT_PATH", format!("{}:", units.display()));
            let output = command.output().expect("systemd-analyze (package systemd)");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            said.lines()
                .filter(|line| line.contains("dovecot.service"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let unit = shipped("mountguard.conf", &[("/usr/local/bin/mountguard", Path::new("/bin/true"))]);
        assert_eq!(complaints(&unit), Vec::<String>::new());
        let misspelt = complaints(&unit.replace("ExecStartPre=", "ExecStartPreview="));
        assert_eq!(misspelt.len(), 1, "it looks at the drop-in: {misspelt:?}");
    });
}
