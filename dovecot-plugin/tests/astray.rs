//! Files that were opened underneath, in the moment between a look of the guard's and Dovecot's own, are not written to
//! once the filesystem is back.

mod support;

use std::path::PathBuf;

use fixtures::client::imap::Imap;
use fixtures::dovecot::{Format, Loss, Role, Truth, losses};
use fixtures::lab;
use fixtures::lab::Lab;
use support::traced::Session;
use support::{Guard, Site, fill};

/// What a session opens underneath.
#[derive(Debug, Clone, Copy)]
enum Opened {
    /// The index of a mailbox, when it is selected.
    Index,
    /// The map of mdbox, when the first mail is saved.
    Map,
}

impl Opened {
    /// The command that opens it, and the last path that is looked for before.
    fn moment(self, site: &Site) -> (&'static str, PathBuf) {
        let store = site.dovecot.store();
        let mail = store.path(Role::Mail, "bob");
        let archive = match store.format {
            Format::Mdbox | Format::Sdbox => "mailboxes/Archive/dbox-Mails",
            Format::Maildir => ".Archive",
            Format::MaildirFs | Format::Mbox => "Archive",
        };
        match self {
            Opened::Index => ("SELECT Archive", mail.join(archive)),
            Opened::Map => ("APPEND Archive", mail.join("storage")),
        }
    }
}

/// What came of a session that goes on after it opened something underneath.
#[derive(Debug)]
struct Outcome {
    /// Tagged, in order; none where the session has ended.
    answers: Vec<Option<String>>,
    /// Or why the user cannot be read.
    lost: Result<Vec<Loss>, String>,
    /// How many mails were accepted and are nowhere.
    missing: usize,
}

impl Outcome {
    /// Nothing was lost, and what was not done was refused.
    fn is_harmless(&self) -> bool {
        let honest = self.answers.iter().flatten().all(|answer| is_honest(answer));
        self.lost == Ok(Vec::new()) && self.missing == 0 && honest
    }
}

fn go_astray(lab: &Lab, format: Format, guard: Guard, opened: Opened) -> Outcome {
    let site = Site::start(lab, format, guard);
    fill(&site.dovecot);
    let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
    let (command, path) = opened.moment(&site);
    let trace = lab.path("trace");
    let mut session = Session::stopping(&site.dovecot, "newfstatat", &path, &trace);
    session.send(command);
    session.await_stop(&trace);
    site.take_away(Role::Index);
    session.go_on();
    let first = session.receive();
    site.mount(Role::Index).bring_back();
    let mut accepted = 0;
    let next = ["APPEND Archive", "SELECT Archive", "APPEND Archive"].map(|command| {
        session.send(command);
        let answer = session.receive();
        accepted += usize::from(command.starts_with("APPEND") && answer.as_deref().is_some_and(is_ok));
        answer
    });
    drop(session);
    let answers = [first].into_iter().chain(next).collect();
    let after = match Truth::of(&site.dovecot, "bob") {
        Ok(after) => after,
        Err(error) => return Outcome { answers, lost: Err(error.to_string()), missing: accepted },
    };
    let count = |truth: &Truth| truth.mailboxes.get("Archive").map_or(0, |archive| archive.mails.len());
    let missing = (count(&before) + accepted).saturating_sub(count(&after));
    Outcome { answers, lost: Ok(losses(&before, &after, &[])), missing }
}

fn is_ok(answer: &str) -> bool {
    answer.starts_with("OK")
}

fn is_honest(answer: &str) -> bool {
    is_ok(answer) || answer.starts_with("NO [UNAVAILABLE] ")
}

fn assert_guarded(lab: &Lab, format: Format, opened: Opened) {
    let outcome = go_astray(lab, format, Guard::Guarded, opened);
    assert!(outcome.is_harmless(), "{outcome:?}");
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn index_opened_underneath_is_not_written_to_once_the_filesystem_is_back() {
    lab!("stock", |lab| {
        let stock = go_astray(lab, Format::Sdbox, Guard::Stock, Opened::Index);
        assert!(!stock.is_harmless(), "this shows nothing: {stock:?}");
    });
    for format in Format::ALL {
        lab!(&format!("{format:?}"), |lab| assert_guarded(lab, format, Opened::Index));
    }
}

/// Without the comparison mdbox rebuilds by the map underneath, and no mail can be read any more.
#[test]
#[ignore = "needs root: real Dovecot"]
fn map_made_underneath_is_not_used_once_the_filesystem_is_back() {
    lab!(|lab| assert_guarded(lab, Format::Mdbox, Opened::Map));
}

/// The log of each index is a new file after almost every command.
const ROTATING: &str = "mail_index_log_rotate_min_size = 32\nmail_index_log_rotate_max_size = 64\n";

/// What replaces the logs of two mailboxes.
const CHANGE: [&str; 4] = ["SELECT Archive", "STORE 1 +FLAGS (\\Seen)", "COPY 1 Archive", "COPY 1 INBOX"];

fn succeed(imap: &mut Imap, commands: &[&str]) {
    for command in commands {
        let reply = imap.command(command).expect("the session goes on");
        assert!(reply.is_ok(), "{command}: {}", reply.answer());
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn index_whose_log_was_replaced_is_the_same_one_whatever_is_mounted_elsewhere() {
    for format in Format::ALL {
        lab!(&format!("{format:?}"), |lab| {
            let site =
                Site::start_with(lab, format, Guard::Guarded, |config| config.extra.push_str(ROTATING));
            fill(&site.dovecot);
            let [mut waiting, mut other] = [(); 2].map(|()| site.dovecot.imap("bob").expect("login"));
            succeed(&mut waiting, &["SELECT Archive", "LIST \"\" *", "COPY 1 INBOX"]);
            (0..3).for_each(|_| succeed(&mut other, &CHANGE));
            lab.tmpfs(lab.path("elsewhere"));
            succeed(
                &mut waiting,
                &["NOOP", "FETCH 1:* BODY.PEEK[]", "COPY 1 INBOX", "STATUS INBOX (MESSAGES)"],
            );
        });
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn session_goes_on_with_the_same_filesystem_mounted_again_though_its_log_was_replaced() {
    for format in Format::ALL {
        lab!(&format!("{format:?}"), |lab| {
            let site =
                Site::start_with(lab, format, Guard::Guarded, |config| config.extra.push_str(ROTATING));
            fill(&site.dovecot);
            let mut imap = site.dovecot.imap("bob").expect("login");
            succeed(&mut imap, &["SELECT Archive", "LIST \"\" *", "COPY 1 INBOX"]);
            for role in format.roles() {
                site.take_away(*role);
                site.mount(*role).bring_back();
                let mut other = site.dovecot.imap("bob").expect("login");
                (0..3).for_each(|_| succeed(&mut other, &CHANGE));
                succeed(&mut imap, &["NOOP", "FETCH 1:* BODY.PEEK[]", "COPY 1 INBOX", "LIST \"\" *"]);
            }
        });
    }
}
