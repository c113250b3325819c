//! Rights that cannot be read are neither answered nor changed.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fixtures::client::Value;
use fixtures::client::imap::Imap;

use fixtures::dovecot::{Format, Role, underneath};
use fixtures::lab;
use fixtures::lab::Lab;
use support::{Guard, Site, built, fill};

const ACL: &str = "protocol imap {\n  mail_plugins = $mail_plugins imap_acl\n}\nplugin {\n  acl = vfile\n}\n";

/// The owner of `Archive` gave up all rights but these.
fn site(lab: &Lab, format: Format, guard: Guard) -> Site {
    let site = Site::start_with(lab, format, guard, |config| {
        config.mail_plugins.push_str(" acl");
        config.extra.push_str(ACL);
    });
    fill(&site.dovecot);
    let mut imap = site.dovecot.imap("bob").expect("login");
    let reply = imap.command("SETACL Archive bob lra").expect("IMAP");
    assert!(reply.is_ok(), "{}\n{}", reply.answer(), site.dovecot.log());
    drop(imap);
    assert!(site.dovecot.await_quiet(), "the session ends");
    site
}

/// The rights that MYRIGHTS answers, or why it doesn't.
fn my_rights(imap: &mut Imap) -> String {
    let reply = imap.command("MYRIGHTS Archive").expect("the session goes on");
    if !reply.is_ok() {
        return reply.answer();
    }
    let rights = reply.responses("MYRIGHTS").find_map(|values| values.get(2));
    rights.map_or_else(String::new, Value::text)
}

/// Stock answers the rights of an owner who never gave any up.
#[test]
#[ignore = "needs root: real Dovecot"]
fn rights_that_are_away_are_not_answered() {
    for format in [Format::Mdbox, Format::Maildir] {
        for guard in [Guard::Stock, Guard::Guarded] {
            lab!(&format!("{format:?} {guard:?}"), |lab| {
                let site = site(lab, format, guard);
                site.take_away(Role::Mail);
                let mut imap = site.dovecot.imap("bob").expect("login");
                let absent = my_rights(&mut imap);
                site.mount(Role::Mail).bring_back();
                let back = my_rights(&mut imap);
                let what = format!("{format:?} {guard:?}: {absent}, then {back}\n{}", site.dovecot.log());
                assert_eq!(absent == "lrwstipekxacd", guard == Guard::Stock, "{what}");
                assert_eq!(absent.starts_with("NO [UNAVAILABLE] "), guard == Guard::Guarded, "{what}");
                assert_eq!(back, "lra", "{what}");
            });
        }
    }
}

/// A literal as the last argument, in a command that is refused: what follows is a command again.
#[test]
#[ignore = "needs root: real Dovecot"]
fn every_command_about_rights_is_refused_and_the_session_goes_on() {
    for format in [Format::Mdbox, Format::Maildir] {
        lab!(&format!("{format:?}"), |lab| {
            let site = site(lab, format, Guard::Guarded);
            let mut imap = site.dovecot.imap("bob").expect("login");
            assert_eq!(my_rights(&mut imap), "lra");
            site.take_away(Role::Mail);
            for command in [
                "MYRIGHTS Archive",
                "GETACL Archive",
                "SETACL Archive eve lr",
                "DELETEACL Archive eve",
                "myrights {7+}\r\nArchive",
                "setacl Archive eve {2+}\r\nlr",
            ] {
                let answer = imap.command(command).expect("the session goes on").answer();
                assert!(
                    answer.starts_with("NO [UNAVAILABLE] "),
                    "{command}: {answer}\n{}",
                    site.dovecot.log()
                );
            }
            // Reads nothing: the same for every mailbox and everybody.
            assert!(imap.command("LISTRIGHTS Archive eve").expect("IMAP").is_ok());
            for command in ["MYRIGHTS", "GETACL (Archive)"] {
                let answer = imap.command(command).expect("IMAP").answer();
                assert!(answer.starts_with("BAD "), "{command}: {answer}");
            }
            assert_eq!(underneath(site.mount(Role::Mail).path()).expect("look").len(), 0);
            site.mount(Role::Mail).bring_back();
            assert!(imap.command("SETACL Archive eve {2+}\r\nlr").expect("IMAP").is_ok());
            assert_eq!(my_rights(&mut imap), "lra");
            assert_eq!(site.dovecot.crashes(), Vec::<String>::new());
        });
    }
}

/// doveadm's own modules: the one of the acl plugin, and with the guard its own.
fn doveadm_modules(lab: &Lab, guard: Guard) {
    let installed = Path::new("/usr/lib/dovecot/modules/doveadm");
    let modules = lab.dir("doveadm-modules");
    let acl = "lib10_doveadm_acl_plugin.so";
    fs::copy(installed.join(acl), modules.join(acl)).expect("a copy of the module");
    if guard == Guard::Guarded {
        let own = "lib10_doveadm_mount_plugin.so";
        fs::copy(built::plugin().with_file_name(own), modules.join(own)).expect("a copy of the module");
    }
    lab.bind(&modules, installed);
}

/// What bob shares is in a dictionary, for others to find.
#[test]
#[ignore = "needs root: real Dovecot"]
fn shared_mailboxes_that_are_away_are_not_forgotten() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            doveadm_modules(lab, guard);
            let shared = lab.dir("shared");
            fs::set_permissions(&shared, Permissions::from_mode(0o777)).expect("chmod");
            let dictionary = shared.join("boxes");
            let site = Site::start_with(lab, Format::Maildir, guard, |config| {
                config.mail_plugins.push_str(" acl");
                config.extra.push_str(ACL);
                let setting = format!("plugin {{\n  acl_shared_dict = file:{}\n}}\n", dictionary.display());
                config.extra.push_str(&setting);
            });
            fill(&site.dovecot);
            let mut imap = site.dovecot.imap("bob").expect("login");
            assert!(imap.command("SETACL Archive eve lr").expect("IMAP").is_ok(), "{}", site.dovecot.log());
            drop(imap);
            assert!(site.dovecot.await_quiet(), "the session ends");
            let read = || fs::read_to_string(&dictionary).expect("the dictionary");
            let before = read();
            assert!(before.contains("eve"), "{before}");
            site.take_away(Role::Mail);
            let absent = site.dovecot.doveadm(&["acl", "recalc", "-u", "bob"]).expect("doveadm");
            let after = read();
            let strays = underneath(site.mount(Role::Mail).path()).expect("look").len();
            let refused = absent.status.code() == Some(75) && after == before && strays == 0;
            assert_eq!(refused, guard == Guard::Guarded, "{absent:?} {after:?} {strays}");
            site.mount(Role::Mail).bring_back();
            let back = site.dovecot.doveadm(&["acl", "recalc", "-u", "bob"]).expect("doveadm");
            assert!(back.status.success() && read().contains("eve"), "{back:?}");
        });
    }
}
