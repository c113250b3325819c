//! Several Dovecots on one machine, each with its own registry, and several system users under one.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fixtures::dovecot::{Config, Dovecot, Format, Role, Store, underneath};
use fixtures::lab;
use fixtures::lab::{Lab, Mount};
use support::{Guard, Site, built, message};

/// A Dovecot with the plugin and the given registered mountpoints, and mail of its own below `name`.
fn instance(lab: &Lab, name: &str, registered: &[(&Path, &str)]) -> Dovecot {
    let mut config = Config::new(Store::new(Format::Maildir, lab.path(name)));
    config.mail_plugins = "mount_guard".to_owned();
    config.plugins = vec![built::plugin()];
    config.extra = "plugin {\n  mount_guard_registry = required\n}\n".to_owned();
    let dovecot = Dovecot::start(&config).expect("dovecot starts");
    register(&dovecot, registered);
    dovecot
}

fn register(dovecot: &Dovecot, registered: &[(&Path, &str)]) {
    let lines = registered.iter().map(|(path, state)| format!("{state} {}\n", path.display()));
    let text = "# mountguard 1 generation=1\n".to_owned() + &lines.collect::<String>();
    fs::write(dovecot.state_dir().join("mounts"), text).expect("a registry");
}

/// One filesystem, on which two instances have their mail.
fn shared(lab: &Lab) -> Mount {
    let shared = lab.tmpfs("srv");
    fs::set_permissions(shared.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
    shared
}

/// What the server says when the INBOX is opened.
fn selected(dovecot: &Dovecot, user: &str) -> String {
    let mut imap = dovecot.imap(user).expect("login");
    let answer = imap.command("SELECT INBOX").expect("the session goes on").answer();
    answer.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn delivers(dovecot: &Dovecot, user: &str) -> bool {
    dovecot.lmtp().expect("LMTP").deliver(&[user], &message("x")).expect("LMTP")[0].accepted()
}

/// The same filesystem is registered in one, and offline there: the other knows nothing of it.
#[test]
#[ignore = "needs root: real Dovecot"]
fn instances_do_not_see_each_others_registries() {
    lab!(|lab| {
        let shared = shared(lab);
        let with = instance(lab, "srv/one", &[(shared.path(), "online")]);
        let without = instance(lab, "srv/two", &[]);
        for (one, other, first) in [(&with, &without, "offline"), (&without, &with, "failover")] {
            register(one, &[(shared.path(), first)]);
            register(other, &[]);
            assert_eq!(selected(one, "bob"), "NO [UNAVAILABLE]", "{first}: {}", one.log());
            assert!(!delivers(one, "bob"));
            assert_eq!(selected(other, "bob"), "OK [READ-WRITE]", "{first}: {}", other.log());
            assert!(delivers(other, "bob"));
            register(one, &[(shared.path(), "online")]);
            assert_eq!(selected(one, "bob"), "OK [READ-WRITE]", "{}", one.log());
        }
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn outage_of_one_instance_is_none_of_the_others() {
    lab!(|lab| {
        let mounts = [lab.tmpfs("srv/one/mail"), lab.tmpfs("srv/two/mail")];
        let instances = [("srv/one", &mounts[0]), ("srv/two", &mounts[1])]
            .map(|(name, mount)| instance(lab, name, &[(mount.path(), "online")]));
        for (away, other) in [(0, 1), (1, 0)] {
            assert_eq!(selected(&instances[away], "bob"), "OK [READ-WRITE]");
            mounts[away].take_away_lazily();
            fs::set_permissions(mounts[away].path(), fs::Permissions::from_mode(0o777)).expect("chmod");
            assert_eq!(selected(&instances[away], "bob"), "NO [UNAVAILABLE]");
            assert!(!delivers(&instances[away], "bob"));
            assert_eq!(selected(&instances[other], "bob"), "OK [READ-WRITE]");
            assert!(delivers(&instances[other], "bob"));
            assert_eq!(underneath(mounts[away].path()).expect("look").len(), 0);
            mounts[away].bring_back();
        }
    });
}

/// Each user's processes run with a uid of their own, which can read the registry and nothing more of it.
#[test]
#[ignore = "needs root: real Dovecot"]
fn every_system_user_is_guarded() {
    for away in [Role::Mail, Role::Index] {
        lab!(&format!("{away:?}"), |lab| {
            let users = ["alice", "bob", "carol"];
            let site = Site::start_with(lab, Format::Maildir, Guard::Guarded, |config| {
                config.users = users.map(str::to_owned).to_vec();
            });
            let mut sessions = users.map(|user| site.dovecot.imap(user).expect("login"));
            for (user, imap) in users.iter().zip(&mut sessions) {
                assert!(delivers(&site.dovecot, user));
                assert!(
                    imap.command("SELECT INBOX").expect("IMAP").is_ok(),
                    "{user}: {}",
                    site.dovecot.log()
                );
            }
            site.take_away(away);
            for (user, imap) in users.iter().zip(&mut sessions) {
                assert_eq!(
                    selected(&site.dovecot, user),
                    "NO [UNAVAILABLE]",
                    "{user}: {}",
                    site.dovecot.log()
                );
                let running = imap.command("LIST \"\" *").expect("IMAP").answer();
                assert!(running.starts_with("NO [UNAVAILABLE] "), "{user}: {running}");
                assert!(!delivers(&site.dovecot, user));
            }
            assert_eq!(underneath(site.mount(away).path()).expect("look").len(), 0);
            site.mount(away).bring_back();
            for user in users {
                assert_eq!(
                    selected(&site.dovecot, user),
                    "OK [READ-WRITE]",
                    "{user}: {}",
                    site.dovecot.log()
                );
            }
        });
    }
}
