//! The layout held against what Dovecot itself makes of the same location.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use guard_mbox::MboxLayout;
use mount_core::Role;

/// Each with `@` for a directory of the test's own.
const LOCATIONS: &[&str] = &[
    "mbox:@/m",
    "mbox:~/mail:INBOX=@/spool/bob",
    "mbox:~/mail/:INBOX=@/spool/bob:INDEX=@/i:CONTROL=@/c:",
    "MBOX:~/a::b:INDEX=MEMORY",
    "mbox:@/m:INDEX=:LAYOUT=fs:UTF-8",
    "mbox:@/m:MAILBOXDIR=boxes:DIRNAME=mbox:INDEX=@/i",
    "mbox:%h/mail:SUBSCRIPTIONS=subs:BROKENCHAR=%%",
];

/// What `doveadm mailbox path` says; `None` when there is no such path.
fn doveadm(directory: &Path, location: &str, kind: &str, mailbox: &str) -> Option<PathBuf> {
    let configuration = directory.join("dovecot.conf");
    let at = directory.display();
    // Not by -o: what comes from there Dovecot takes for expanded already.
    let text = format!(
        "base_dir = {at}/run\nlog_path = /dev/stderr\nssl = no\nmail_home = {at}/home\nmail_uid = nobody\n\
         mail_gid = nogroup\nnamespace inbox {{\n  inbox = yes\n}}\nmail_location = {location}\n"
    );
    fs::write(&configuration, text).expect("write the configuration");
    let mut command = Command::new("doveadm");
    command.arg("-c").arg(&configuration);
    let command = command
        .args(["mailbox", "path", "-t", kind, mailbox])
        .env("USER", "bob")
        .env("HOME", directory.join("home"));
    let output = command.output().expect("run doveadm (package dovecot-core)");
    let said = String::from_utf8(output.stdout).expect("paths of this test are UTF-8");
    assert!(output.status.success(), "{location}: {}", String::from_utf8_lossy(&output.stderr));
    Some(PathBuf::from(said.trim_end_matches('\n'))).filter(|path| !path.as_os_str().is_empty())
}

/// A directory in which Dovecot may create, and each location with its place in it.
fn with_locations(check: impl Fn(&Path, &str)) {
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().join("home");
    fs::create_dir(&home).expect("a home");
    for path in [directory.path(), &home] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).expect("open it to the mail user");
    }
    for location in LOCATIONS {
        check(directory.path(), &location.replace('@', &directory.path().display().to_string()));
    }
}

#[test]
#[ignore = "needs root: doveadm becomes the mail user"]
fn mailboxes_are_where_dovecot_has_them() {
    with_locations(|directory, location| {
        let layout = MboxLayout::from_mail_location(location, Some(&directory.join("home"))).expect(location);
        for mailbox in ["INBOX", "lists/rust"] {
            let ours = layout.mailbox(mailbox).expect("a plain name");
            assert_eq!(Some(ours), doveadm(directory, location, "mailbox", mailbox), "{location}: {mailbox}");
        }
    });
}

#[test]
#[ignore = "needs root: doveadm becomes the mail user"]
fn dovecots_paths_lie_beneath_the_roots_of_their_roles() {
    with_locations(|directory, location| {
        let layout = MboxLayout::from_mail_location(location, Some(&directory.join("home"))).expect(location);
        let kinds = [
            ("index", &[Role::Index][..]),
            ("control", &[Role::Control, Role::Mail]),
            ("mailbox", &[Role::Mail, Role::Inbox]),
        ];
        for (kind, roles) in kinds {
            for mailbox in ["INBOX", "lists/rust"] {
                let found = doveadm(directory, location, kind, mailbox);
                let right = match &found {
                    Some(path) => layout.roots().paths(roles).iter().any(|root| path.starts_with(root)),
                    None => layout.roots().get(roles[0]).is_none(),
                };
                assert!(right, "{location}: {kind} of {mailbox} is {found:?}, not in {:?}", layout.roots());
            }
        }
    });
}
