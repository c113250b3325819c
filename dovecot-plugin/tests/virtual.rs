//! A virtual mailbox of mailboxes that are away: refused as they are, and the same as before once they are back.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fixtures::client::imap::{Imap, Reply};
use fixtures::dovecot::{Format, Role, underneath};
use fixtures::lab;
use fixtures::lab::Lab;
use support::{Guard, Site, fill};

const NAMESPACE: &str = "namespace virtual {\n  prefix = virtual/\n  separator = /\n  \
                         location = virtual:@/virtual:INDEX=@/virtual-index\n}\n";

/// Dovecot with a mailbox `virtual/all` of all mails in `INBOX` and `Archive`; its own files are never away.
fn site(lab: &Lab, guard: Guard) -> Site {
    let config = lab.dir("virtual/all");
    fs::write(config.join("dovecot-virtual"), "INBOX\nArchive\n  all\n").expect("a virtual mailbox");
    for directory in [&config, &lab.dir("virtual-index")] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).expect("chmod");
    }
    let site = Site::start_with(lab, Format::Mdbox, guard, |config| {
        config.mail_plugins.push_str(" virtual");
        config.extra.push_str(&NAMESPACE.replace('@', &lab.root().display().to_string()));
    });
    fill(&site.dovecot);
    site
}

/// How many mails the mailbox has, and from which number on UIDs are given; a reply when it cannot be selected.
fn size(imap: &mut Imap) -> Result<(Option<u32>, Option<u32>), Reply> {
    let reply = imap.command("SELECT virtual/all").expect("IMAP");
    if reply.is_ok() { Ok((reply.exists(), reply.code_number("UIDNEXT"))) } else { Err(reply) }
}

fn is_refused(reply: &Reply) -> bool {
    reply.answer().starts_with("NO [UNAVAILABLE] ")
}

/// Stock: the virtual mailbox loses its mails and gives them other UIDs afterwards.
#[test]
#[ignore = "needs root: real Dovecot"]
fn virtual_mailbox_is_refused_with_its_mailboxes() {
    for away in [Role::Index, Role::Mail] {
        for guard in [Guard::Stock, Guard::Guarded] {
            lab!(&format!("{away:?} {guard:?}"), |lab| {
                let site = site(lab, guard);
                let mut imap = site.dovecot.imap("bob").expect("login");
                let before = size(&mut imap);
                assert_eq!(before, Ok((Some(7), Some(8))));
                drop(imap);
                assert!(site.dovecot.await_quiet(), "the session ends");
                site.take_away(away);
                let mut imap = site.dovecot.imap("bob").expect("login");
                for command in
                    ["STATUS virtual/all (MESSAGES)", "SELECT virtual/all", "STATUS virtual/all (UNSEEN)"]
                {
                    let reply = imap.command(command);
                    let refused = reply.as_ref().is_ok_and(is_refused);
                    assert_eq!(
                        refused,
                        guard == Guard::Guarded,
                        "{command}: {reply:?}\n{}",
                        site.dovecot.log()
                    );
                }
                drop(imap);
                assert!(site.dovecot.await_quiet(), "the session ends");
                site.mount(away).bring_back();
                let strays = underneath(site.mount(away).path()).expect("look").len();
                let mut imap = site.dovecot.imap("bob").expect("login");
                let same = strays == 0 && size(&mut imap) == before;
                assert_eq!(same, guard == Guard::Guarded, "{strays} strays\n{}", site.dovecot.log());
            });
        }
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn selected_virtual_mailbox_keeps_its_mails_when_they_go_away() {
    for away in [Role::Index, Role::Mail] {
        lab!(&format!("{away:?}"), |lab| {
            let site = site(lab, Guard::Guarded);
            let mut imap = site.dovecot.imap("bob").expect("login");
            let before = size(&mut imap);
            site.take_away(away);
            for command in ["NOOP", "FETCH 1:* BODY.PEEK[]", "SEARCH BODY body", "NOOP"] {
                let reply = imap.command(command).expect("IMAP");
                assert_eq!(reply.responses("EXPUNGE").count(), 0, "{command}: {reply:?}");
                assert!(command == "NOOP" || !reply.is_ok(), "{command}: {reply:?}");
            }
            assert_eq!(underneath(site.mount(away).path()).expect("look").len(), 0);
            site.mount(away).bring_back();
            drop(imap);
            assert!(site.dovecot.await_quiet(), "the session ends");
            assert_eq!(size(&mut site.dovecot.imap("bob").expect("login")), before);
            assert_eq!(site.dovecot.crashes(), Vec::<String>::new());
        });
    }
}
