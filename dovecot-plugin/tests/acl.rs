//! Rights that cannot be read are neither answered nor changed.

mod support;

use fixtures::client::Value;
use fixtures::client::imap::Imap;

use fixtures::dovecot::{Format, Role, underneath};
use fixtures::lab;
use fixtures::lab::Lab;
use support::{Guard, Site, fill};

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
