//! `doveadm mount`, without a running Dovecot and without `mail_plugins`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fixtures::lab;
use fixtures::lab::Lab;

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

/// A doveadm with the module and a configuration of its own.
struct Doveadm(PathBuf);

impl Doveadm {
    fn new(lab: &Lab) -> Doveadm {
        let module = build();
        let modules = lab.dir("modules");
        fs::copy(module, modules.join(MODULE)).expect("a copy of the module");
        lab.bind(&modules, MODULES);
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
