//! One namespace's filesystem is away: the other namespaces go on, and nobody is told that it is empty.

mod support;

use fixtures::dovecot::{Config, Format, Role};
use fixtures::lab;
use fixtures::lab::{Lab, Mount};
use support::{Guard, Site, fill, message};

/// A second private namespace, `Old/`, on a filesystem of its own.
fn with_second_namespace(lab: &Lab, guard: Guard) -> (Site, Mount) {
    let old = lab.tmpfs("srv/old");
    std::fs::set_permissions(old.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("chmod");
    let path = old.path().display().to_string();
    let site = Site::start_with(lab, Format::Mdbox, guard, |config: &mut Config| {
        config.extra.push_str(&format!(
            "namespace old {{\n  prefix = Old/\n  separator = /\n  list = yes\n  location = sdbox:{path}/%u\n}}\n"
        ));
    });
    site.also_register(old.path());
    fill(&site.dovecot);
    let mut imap = site.dovecot.imap("bob").expect("login");
    assert!(imap.command("CREATE Old/Letters").expect("IMAP").is_ok());
    assert!(imap.append("Old/Letters", &[], &message("letter")).expect("IMAP").is_ok());
    (site, old)
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn list_that_spans_an_absent_namespace_ends_in_no() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            let (site, old) = with_second_namespace(lab, guard);
            let mut imap = site.dovecot.imap("bob").expect("login");
            old.take_away_lazily();
            let everything = imap.command("LIST \"\" *").expect("IMAP");
            // Stock: OK, and the folders of the absent namespace are not in it.
            assert_eq!(everything.is_ok(), guard == Guard::Stock, "{}", everything.answer());
            assert_eq!(
                everything.answer().contains("[UNAVAILABLE]"),
                guard == Guard::Guarded,
                "{} {}",
                everything.answer(),
                site.dovecot.log()
            );
        });
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn other_namespaces_go_on() {
    lab!(|lab| {
        let (site, old) = with_second_namespace(lab, Guard::Guarded);
        let mut imap = site.dovecot.imap("bob").expect("login");
        old.take_away_lazily();
        for command in [
            "LIST \"\" Arch*",
            "SELECT INBOX",
            "FETCH 1:* BODY.PEEK[]",
            "CREATE New",
            "STATUS Archive (MESSAGES)",
        ] {
            let reply = imap.command(command).expect("IMAP");
            assert!(reply.is_ok(), "{command}: {}", reply.answer());
        }
        for command in ["LIST \"\" Old/*", "SELECT Old/Letters", "COPY 1 Old/Letters", "CREATE Old/New"] {
            let reply = imap.command(command).expect("IMAP");
            assert!(reply.answer().starts_with("NO [UNAVAILABLE]"), "{command}: {}", reply.answer());
            // A failed SELECT leaves nothing selected.
            assert!(imap.command("SELECT INBOX").expect("IMAP").is_ok());
        }
        let delivered = site.dovecot.lmtp().expect("LMTP").deliver(&["bob"], &message("lmtp")).expect("LMTP");
        assert!(delivered[0].accepted(), "{delivered:?}");
        assert_eq!(fixtures::dovecot::underneath(old.path()).expect("look").len(), 0);
        assert_eq!(site.dovecot.crashes(), Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn main_namespace_away_leaves_the_other_one() {
    lab!(|lab| {
        let (site, _old) = with_second_namespace(lab, Guard::Guarded);
        let mut imap = site.dovecot.imap("bob").expect("login");
        site.take_away(Role::Index);
        assert!(imap.command("SELECT Old/Letters").expect("IMAP").is_ok());
        assert!(imap.command("FETCH 1 BODY.PEEK[]").expect("IMAP").is_ok());
        let refused = imap.command("STATUS INBOX (MESSAGES)").expect("IMAP").answer();
        assert!(refused.starts_with("NO [UNAVAILABLE]"), "{refused}");
    });
}
