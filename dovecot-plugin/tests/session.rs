//! A filesystem that is away before a session starts costs nothing, and the same without the plugin costs mail.

mod support;

use fixtures::client::imap::Imap;
use fixtures::dovecot::{Format, Loss, Role, Truth, losses, underneath};
use fixtures::lab;
use support::{Guard, Site, fill};

/// What an outage cost.
#[derive(Debug, Default, PartialEq)]
struct Damage {
    lost: Vec<Loss>,
    /// Answers that denied what exists.
    denied: Vec<String>,
    /// How many files and directories lie underneath.
    stray: usize,
}

/// Everything a client does to bring its copy up to date. A refusal is honest, whatever else it is.
fn read_all(imap: &mut Imap) -> Vec<String> {
    let mut denied = Vec::new();
    for command in ["LIST \"\" *", "SELECT INBOX", "FETCH 1:* BODY.PEEK[]", "SELECT Archive"] {
        let Ok(reply) = imap.command(command) else { break };
        let listed = reply.responses("LIST").count();
        let short = (command.starts_with("LIST") && listed < 2) || reply.exists() == Some(0);
        if reply.is_ok() && short || reply.answer().contains("NONEXISTENT") {
            denied.push(format!("{command}: {}", reply.answer()));
        }
    }
    denied
}

fn damage(site: &Site, away: Role) -> Damage {
    let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
    site.take_away(away);
    let denied = site.dovecot.imap("bob").map_or_else(|_| Vec::new(), |mut imap| read_all(&mut imap));
    site.mount(away).bring_back();
    let stray = underneath(site.mount(away).path()).expect("look underneath").len();
    Damage { lost: losses(&before, &site.recovered(), &[]), denied, stray }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn reading_during_an_outage_costs_mail_without_the_guard_only() {
    for format in Format::ALL {
        for away in format.roles().iter().filter(|role| **role != Role::Home) {
            for guard in [Guard::Stock, Guard::Guarded] {
                lab!(&format!("{format:?} {away:?} {guard:?}"), |lab| {
                    let site = Site::start(lab, format, guard);
                    fill(&site.dovecot);
                    let damage = damage(&site, *away);
                    let harmless = damage == Damage::default();
                    let what = format!("{format:?} {away:?} {guard:?}: {damage:?}\n{}", site.dovecot.log());
                    assert_eq!(harmless, guard == Guard::Guarded, "{what}");
                    assert!(guard == Guard::Stock || site.dovecot.crashes().is_empty(), "{what}");
                });
            }
        }
    }
}
