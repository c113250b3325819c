//! How data is written.

use std::ffi::OsStr;
use std::fs::File;
use std::process::Stdio;

use fixtures::lab;

use crate::support::{Guard, Outcome, text};

#[test]
fn every_command_has_a_help_with_an_example() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        for command in [
            "add",
            "remove",
            "state",
            "status",
            "check",
            "discover",
            "audit",
            "watch",
            "create-maildir",
            "create-mbox",
            "exec",
        ] {
            let help = guard.must(&[command, "--help"]);
            assert!(help.contains(&format!("Usage: mountguard {command}")), "{help}");
            assert!(help.contains(&format!("\n  mountguard {command} ")), "no example: {help}");
            assert!(help.lines().all(|line| line.len() <= 115), "{help}");
            assert!(guard.must(&["--help"]).contains(&format!("\n  {command} ")));
        }
    });
}

#[test]
fn version_is_that_of_the_package() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        assert_eq!(guard.must(&["--version"]), concat!("mountguard ", env!("CARGO_PKG_VERSION"), "\n"));
    });
}

#[test]
fn table_has_a_header_and_no_colour_without_a_terminal() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        guard.add(&lab.dir("bare"));
        guard.must(&["state", text(mail.path()), "offline"]);
        let expected = "\
PATH         STATE    PRESENCE     FILESYSTEM  SOURCE  SINCE  WHY
/media/mail  offline  mounted      tmpfs       lab     -      refused until it is set online
/media/bare  online   not-mounted  -           -       -      nothing is mounted there
";
        assert_eq!(guard.must(&["--format", "table", "status"]), expected);
    });
}

/// What the command writes to a terminal, without its carriage returns.
fn on_a_terminal(guard: &Guard, no_color: &str) -> String {
    let shell = format!("{} status", text(&guard.binary));
    let mut script = guard.through(OsStr::new("script"), &["-qec", &shell, "/dev/null"]);
    Outcome::of(script.env("NO_COLOR", no_color).stdin(Stdio::null())).out.replace('\r', "")
}

#[test]
fn terminal_gets_a_table_and_colour_unless_it_is_not_wanted() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard.add(lab.tmpfs("mail").path());
        let coloured = on_a_terminal(&guard, "");
        assert!(coloured.contains("\x1b[1mPATH\x1b[0m"), "{coloured:?}");
        assert!(coloured.contains("\x1b[32mmounted\x1b[0m"), "{coloured:?}");
        let plain = on_a_terminal(&guard, "1");
        assert!(plain.starts_with("PATH         STATE   PRESENCE"), "{plain:?}");
    });
}

#[test]
fn json_names_everything() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("a b");
        guard.add(mail.path());
        let expected = "[{\"filesystem\":\"tmpfs\",\"path\":\"/media/a b\",\"presence\":\"mounted\",\"since\":null,\
                        \"source\":\"lab\",\"state\":\"online\",\"why\":null,\"wildcard\":false}]\n";
        assert_eq!(guard.must(&["status", "--format", "json"]), expected);
    });
}

#[test]
fn reader_that_has_seen_enough_is_no_error() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard.add(lab.tmpfs("mail").path());
        let (reader, writer) = std::io::pipe().expect("pipe");
        drop(reader);
        let outcome = Outcome::of(guard.command(&["state"]).stdout(Stdio::from(writer)));
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""), "{outcome:?}");
    });
}

#[test]
fn full_disk_behind_the_output_is_an_error() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        guard.add(lab.tmpfs("mail").path());
        let full = File::options().write(true).open("/dev/full").expect("open /dev/full");
        Outcome::of(guard.command(&["state"]).stdout(full)).fails(74, &["standard output", "No space left"]);
    });
}
