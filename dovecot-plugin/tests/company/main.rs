//! Loaded together with the plugins of others: without an outage the same results as without us, and in an outage
//! nothing lost and nothing underneath.

#[path = "../support/mod.rs"]
mod support;
mod table;

use fixtures::client::imap::Imap;
use fixtures::dovecot::{Config, Dovecot, Format, Mail, Role, Store, Truth, losses, underneath};
use fixtures::lab;
use fixtures::lab::Lab;
use support::{Guard, Site, fill, message};
use table::{COMPANIES, Company, EVERYBODY};

/// Adds the company to a configuration for a store in a directory of the laboratory.
fn join(config: &mut Config, lab: &Lab, company: &Company, store: &str) {
    config.mail_plugins = format!("{} {}", config.mail_plugins, company.plugins);
    let settings = company.settings.replace("@/srv", &format!("@/{store}"));
    config.extra.push_str(&settings.replace('@', &lab.root().display().to_string()));
    // A process that waits for the next delivery would hold filesystems.
    config.extra.push_str("service lmtp {\n  service_count = 1\n}\n");
}

fn guarded(lab: &Lab, company: &Company) -> Site {
    (company.prepare)(lab);
    let site =
        Site::start_with(lab, Format::Mdbox, Guard::Guarded, |config| join(config, lab, company, "srv"));
    fill(&site.dovecot);
    site
}

/// The same without the plugin, beside it.
fn stock(lab: &Lab, company: &Company) -> Dovecot {
    let mut config = Config::new(Store::new(Format::Mdbox, lab.path("stock")));
    join(&mut config, lab, company, "stock");
    let dovecot = Dovecot::start(&config).expect("dovecot starts");
    fill(&dovecot);
    dovecot
}

/// What every client does.
const COMMON: [&str; 13] = [
    "LIST \"\" *",
    "STATUS INBOX (MESSAGES UIDNEXT)",
    "SELECT INBOX",
    "FETCH 1:* (FLAGS BODY.PEEK[])",
    "SEARCH BODY body",
    "STORE 5 +FLAGS (\\Answered)",
    "COPY 4 Archive",
    "MOVE 6 Archive",
    "STORE 5 +FLAGS (\\Deleted)",
    "EXPUNGE",
    "CREATE New",
    "SUBSCRIBE INBOX",
    "RENAME New Newer",
];

/// The answers to all of it, an append and a delivery, without what differs from one run to the next.
///
/// It ends early when the server says goodbye.
fn conversation(dovecot: &Dovecot, imap: &mut Imap, company: &Company) -> Vec<String> {
    let mut said = Vec::new();
    for command in COMMON.iter().chain(company.commands) {
        match imap.command(command) {
            Ok(reply) => {
                said.push(format!("{command}: {} {}", timeless(&reply.answer()), reply.untagged.len()))
            }
            Err(_) => break,
        }
    }
    if let Ok(reply) = imap.append("INBOX", &["\\Seen"], &message("appended")) {
        said.push(format!("APPEND: {}", timeless(&reply.answer())));
    }
    let lmtp = dovecot.lmtp().and_then(|mut lmtp| lmtp.deliver(&["bob"], &message("delivered")));
    said.push(format!(
        "LMTP: {}",
        lmtp.map_or_else(|error| error.to_string(), |replies| replies[0].code.to_string())
    ));
    said
}

/// Without numbers and durations.
fn timeless(answer: &str) -> String {
    let answer = answer.split(" (0.").next().unwrap_or(answer);
    answer.split(|c: char| c.is_ascii_digit()).collect::<Vec<_>>().join("#")
}

/// The mails and mailboxes, but for what depends on the second they were made in. So do the UIDs of a virtual mailbox,
/// which numbers mails of other mailboxes in the order of their dates.
fn contents(truth: &Truth) -> Vec<String> {
    let mails = truth.mailboxes.iter().flat_map(|(name, mailbox)| {
        let number = |uid: &u32| if name.starts_with("virtual/") { String::new() } else { uid.to_string() };
        let row = move |(uid, mail): (&u32, &Mail)| {
            format!("{name} {} {} {:?}", number(uid), mail.message_id, mail.flags)
        };
        mailbox.mails.iter().map(row)
    });
    let names = truth.mailboxes.keys().map(|name| format!("mailbox {name}"));
    let subscribed = truth.subscriptions.iter().map(|name| format!("subscribed {name}"));
    let mut contents: Vec<String> = names.chain(subscribed).chain(mails).collect();
    contents.sort();
    contents
}

/// What the log has to say that is no information, without who and when.
fn complaints(dovecot: &Dovecot) -> Vec<String> {
    let log = dovecot.log();
    let wrong = ["mount_guard: ", "Error: ", "Panic: ", "Fatal: "];
    let complaints = log.lines().filter(|line| wrong.iter().any(|word| line.contains(word)));
    complaints.map(|line| timeless(line.split_once(">: ").map_or(line, |(_, said)| said))).collect()
}

/// All that anybody can see of a Dovecot that works.
fn observed(dovecot: &Dovecot, company: &Company) -> Vec<String> {
    let mut imap = dovecot.imap("bob").expect("login");
    let mut seen = conversation(dovecot, &mut imap, company);
    drop(imap);
    assert!(dovecot.await_quiet(), "sessions end");
    seen.extend(contents(&Truth::of(dovecot, "bob").expect("all can be read")));
    seen.extend(complaints(dovecot));
    seen
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn without_an_outage_nobody_notices_the_guard() {
    for company in &COMPANIES {
        lab!(company.name, |lab| {
            let guarded = guarded(lab, company);
            let stock = stock(lab, company);
            let expected = observed(&stock, company);
            assert!(expected.iter().filter(|line| line.contains(": OK")).count() > 10, "{expected:#?}");
            assert_eq!(observed(&guarded.dovecot, company), expected, "{}", company.name);
        });
    }
}

/// Answers that say something else than the truth: that what is away does not exist, or is broken.
fn denials(said: &[String]) -> Vec<&String> {
    let untruths = ["NONEXISTENT", "doesn't exist", "Failed to rebuild"];
    said.iter().filter(|line| untruths.iter().any(|untruth| line.contains(untruth))).collect()
}

fn outage(lab: &Lab, company: &Company, away: Role, in_mid_session: bool) {
    let site = guarded(lab, company);
    let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
    let mut imap = site.dovecot.imap("bob").expect("login");
    if in_mid_session {
        assert!(imap.command("SELECT INBOX").expect("IMAP").is_ok());
        site.take_away(away);
    } else {
        drop(imap);
        assert!(site.dovecot.await_quiet(), "the session ends");
        site.take_away(away);
        imap = site.dovecot.imap("bob").expect("login");
    }
    let said = conversation(&site.dovecot, &mut imap, company);
    drop(imap);
    assert!(site.dovecot.await_quiet(), "sessions end");
    site.mount(away).bring_back();
    let log = site.dovecot.log();
    let what = format!("{} {away:?} {in_mid_session}: {said:#?}\n{log}", company.name);
    assert!(said[0].contains("[UNAVAILABLE]") || said[1].contains("[UNAVAILABLE]"), "refused: {what}");
    assert!(said.last().is_some_and(|line| line.starts_with("LMTP: 4")), "temporary: {what}");
    assert_eq!(denials(&said), Vec::<&String>::new(), "{what}");
    let after = Truth::of(&site.dovecot, "bob").unwrap_or_else(|error| panic!("{error}: {what}"));
    assert_eq!(losses(&before, &after, &[]), [], "{what}");
    let strays = underneath(site.mount(away).path()).expect("look underneath");
    assert_eq!(strays, Vec::<std::path::PathBuf>::new(), "{what}");
    assert_eq!(site.dovecot.crashes(), Vec::<String>::new(), "{what}");
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn nothing_is_lost_in_company_when_indexes_are_away_before_the_session() {
    for company in &COMPANIES {
        lab!(company.name, |lab| outage(lab, company, Role::Index, false));
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn nothing_is_lost_in_company_when_mail_goes_away_in_mid_session() {
    for company in &COMPANIES {
        lab!(company.name, |lab| outage(lab, company, Role::Mail, true));
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn nothing_is_lost_with_everybody_at_once_whatever_goes_away() {
    for away in [Role::Mail, Role::Index] {
        for in_mid_session in [false, true] {
            let case = format!("{away:?} {in_mid_session}");
            lab!(&case, |lab| outage(lab, &EVERYBODY, away, in_mid_session));
        }
    }
}

/// What needs neither alternate storage nor the home goes on; what does is refused and left alone.
#[test]
#[ignore = "needs root: real Dovecot"]
fn everybody_at_once_goes_on_without_alternate_storage_or_home() {
    for away in [Role::Alt, Role::Home] {
        lab!(&format!("{away:?}"), |lab| {
            let site = guarded(lab, &EVERYBODY);
            let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
            let mut imap = site.dovecot.imap("bob").expect("login");
            site.take_away(away);
            let said = conversation(&site.dovecot, &mut imap, &EVERYBODY);
            drop(imap);
            assert!(site.dovecot.await_quiet(), "sessions end");
            site.mount(away).bring_back();
            let what = format!("{away:?}: {said:#?}\n{}", site.dovecot.log());
            // Scripts may lie in the home: nobody knows what would be done with a mail.
            let delivery = if away == Role::Home { "LMTP: 4" } else { "LMTP: 2" };
            assert!(said.last().is_some_and(|line| line.starts_with(delivery)), "{what}");
            assert_eq!(denials(&said), Vec::<&String>::new(), "{what}");
            let fine = said.iter().filter(|line| line.contains(": OK")).count();
            assert!(fine > 15, "{what}");
            let after = Truth::of(&site.dovecot, "bob").unwrap_or_else(|error| panic!("{error}: {what}"));
            for uid in 1..=3 {
                let mail = |truth: &Truth| truth.mailboxes["INBOX"].mails.get(&uid).cloned();
                assert_eq!(mail(&after), mail(&before), "{what}");
            }
            assert_eq!(underneath(site.mount(away).path()).expect("look underneath").len(), 0, "{what}");
            assert_eq!(site.dovecot.crashes(), Vec::<String>::new(), "{what}");
        });
    }
}
