//! `doveadm mount`, without a running Dovecot and without `mail_plugins`.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fixtures::dovecot::{Format, Role};
use fixtures::lab;
use fixtures::lab::Lab;
use support::{Guard, Site};

/// Where doveadm looks for its modules, whatever the configuration says.
const MODULES: &str = "/usr/lib/dovecot/modules/doveadm";

/// The command and doveadm's module, built from this checkout.
fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..");
    let out = target.join("tmp/doveadm");
    fs::create_dir_all(&out).expect("a directory for the module");
    let script = format!(
        "cargo build --quiet --package mount-cli --target-dir {target} && \
         make --silent -C {source} OUT={out} TARGET_DIR={target} COMMAND={command} {out}/{MODULE}",
        target = target.display(),
        source = env!("CARGO_MANIFEST_DIR"),
        out = out.display(),
        command = target.join("debug/mountguard").display(),
    );
    let mut locked = Command::new("flock");
    let output = locked.arg(out.join("lock")).args(["sh", "-c", &script]).output().expect("sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out.join(MODULE)
}

const MODULE: &str = "lib10_doveadm_mount_plugin.so";

/// Gives the module to every doveadm in the laboratory.
fn install(lab: &Lab) {
    let modules = lab.dir("modules");
    fs::copy(build(), modules.join(MODULE)).expect("a copy of the module");
    lab.bind(&modules, MODULES);
}

/// A doveadm with the module and a configuration of its own.
struct Doveadm(PathBuf);

impl Doveadm {
    fn new(lab: &Lab) -> Doveadm {
        install(lab);
        let configuration = lab.path("dovecot.conf");
        let (run, state) = (lab.dir("run"), lab.dir("state"));
        let text = format!(
            "base_dir = {}\nstate_dir = {}\nlog_path = /dev/stderr\nssl = no\n",
            run.display(),
            state.display()
        );
        fs::write(&configuration, text).expect("a configuration");
        Doveadm(configuration)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("doveadm").arg("-c").arg(&self.0).args(arguments).output().expect("doveadm")
    }

    fn output(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?} {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn mountpoints_are_kept_in_this_dovecots_directories() {
    lab!(|lab| {
        let doveadm = Doveadm::new(lab);
        let mail = lab.tmpfs("srv/mail").path().display().to_string();
        doveadm.output(&["mount", "add", &mail]);
        assert!(fs::read_to_string(lab.path("state/mounts")).expect("the registry").contains(&mail));
        assert_eq!(
            doveadm.output(&["-f", "tab", "mount", "state"]),
            format!("path\tstate\n{mail}\tonline\n")
        );
        doveadm.output(&["mount", "state", &mail, "offline"]);
        let json = doveadm.output(&["-f", "json", "mount", "state"]);
        assert!(json.contains("\"state\":\"offline\""), "{json}");
        doveadm.output(&["mount", "remove", &mail]);
        assert!(!doveadm.output(&["mount", "state"]).contains(&mail));
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn exit_code_and_diagnosis_are_those_of_mountguard() {
    lab!(|lab| {
        let doveadm = Doveadm::new(lab);
        let mail = lab.tmpfs("srv/mail");
        let path = mail.path().display().to_string();
        doveadm.output(&["mount", "add", &path]);
        doveadm.output(&["mount", "check", "--for", "deliver", &path]);
        mail.take_away();
        let refused = doveadm.run(&["mount", "check", "--for", "deliver", &path]);
        assert_eq!(refused.status.code(), Some(75), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("not-mounted"), "{refused:?}");
        let status = doveadm.output(&["-f", "flow", "mount", "status"]);
        assert!(status.contains("presence=not-mounted"), "{status}");
        assert_eq!(doveadm.run(&["mount", "remove", "/nope"]).status.code(), Some(66));
        assert_eq!(doveadm.run(&["mount", "add", "relative"]).status.code(), Some(64));
    });
}

/// The rows of `doveadm mount user bob`, each with its mountpoint and without the reason, and the exit code.
fn places_of_bob(site: &Site) -> (Vec<String>, Option<i32>, String) {
    let output = site.dovecot.doveadm(&["-f", "tab", "mount", "user", "bob"]).expect("doveadm");
    let text = String::from_utf8(output.stdout).expect("text");
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        fields[..4].join(" ")
    };
    let rows = text.lines().skip(1).map(row).collect();
    (rows, output.status.code(), text + &String::from_utf8_lossy(&output.stderr))
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn user_has_places_with_mountpoints_and_states() {
    lab!(|lab| {
        install(lab);
        let site = Site::start(lab, Format::Mdbox, Guard::Guarded);
        let expected = |states: [&str; 4]| -> Vec<String> {
            let roles = [Role::Mail, Role::Index, Role::Alt, Role::Home];
            let row = |(role, state): (Role, &str)| {
                let mountpoint = site.mount(role).path().display().to_string();
                format!("{} {mountpoint}/bob {mountpoint} {state}", role.name())
            };
            roles.into_iter().zip(states).map(row).collect()
        };
        let (rows, code, text) = places_of_bob(&site);
        assert_eq!((rows, code), (expected(["online"; 4]), Some(0)), "{text}");
        site.set_state(Role::Index, "failover");
        site.take_away(Role::Alt);
        let (rows, code, text) = places_of_bob(&site);
        assert_eq!((rows, code), (expected(["online", "failover", "refused", "online"]), Some(75)), "{text}");
        assert!(text.contains("not-mounted; mount it"), "{text}");
        let bare = fs::read_dir(site.mount(Role::Alt).path()).expect("the bare directory").count();
        assert_eq!(bare, 0, "asking makes nothing");
        let unknown = site.dovecot.doveadm(&["mount", "user", "eve"]).expect("doveadm");
        assert_eq!(unknown.status.code(), Some(67), "{unknown:?}");
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn places_come_from_all_namespaces_and_from_the_user_database() {
    lab!(|lab| {
        install(lab);
        let old = lab.dir("srv/old").display().to_string();
        let site = Site::start_with(lab, Format::Mdbox, Guard::Guarded, |config| {
            config.extra.push_str(&format!(
                "mail_attachment_dir = {old}/attachments\n\
                 namespace old {{\n  prefix = Old/\n  separator = /\n  location = sdbox:{old}/%Lu:ALT={old}/alt/%u\n}}\n\
                 namespace memory {{\n  prefix = New/\n  separator = /\n  location = maildir:~/new:INDEX=MEMORY\n}}\n"
            ));
        });
        let (rows, code, text) = places_of_bob(&site);
        assert_eq!(code, Some(0), "{text}");
        let home = site.mount(Role::Home).path().display().to_string();
        for wanted in [
            format!("mail {old}/bob - online"),
            format!("alt {old}/alt/bob - online"),
            format!("attachments {old}/attachments - online"),
            format!("mail {home}/bob/new {home} online"),
        ] {
            assert!(rows.contains(&wanted), "{wanted} in {text}");
        }
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn discover_finds_what_this_dovecots_configuration_names() {
    lab!(|lab| {
        install(lab);
        let site = Site::start(lab, Format::Mdbox, Guard::Guarded);
        let registry = site.dovecot.state_dir().join("mounts");
        fs::write(&registry, "# mountguard 1 generation=1\n").expect("an empty registry");
        let discover = || site.dovecot.doveadm(&["-f", "json", "mount", "discover"]).expect("doveadm");
        let found = discover();
        let mail = site.mount(Role::Mail).path().display().to_string();
        let row = format!("\"path\":\"{mail}\",\"decision\":\"added\",\"role\":\"mail\"");
        assert!(String::from_utf8_lossy(&found.stdout).contains(&row), "{found:?}");
        assert!(fs::read_to_string(&registry).expect("the registry").contains(&mail));
        let again = discover();
        assert_eq!((again.status.code(), &*again.stdout), (Some(0), &b"[]"[..]), "{again:?}");
    });
}
