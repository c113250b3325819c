//! What goes on between clients and the server in one cell: said, checked against the truth, and written down.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};
use std::process::Output;

use fixtures::client::imap::{Imap, Reply, Status, quoted};
use fixtures::client::lmtp::{self, Lmtp};
use fixtures::client::pop3::Pop3;
use fixtures::dovecot::{Mailbox, PASSWORD, Truth};

use crate::delivery;
use crate::effect::{Asked, Effect};
use crate::honest;
use crate::plan::{Place, Session};
use crate::site::{INBOX, Site, USER};

/// A cell's conversation so far.
pub(crate) struct Scene<'a> {
    pub(crate) site: &'a Site,
    /// What the user has by all that the server has promised.
    pub(crate) known: Truth,
    pub(crate) asked: Vec<Asked>,
    /// Answers that showed less than the truth, or denied it.
    pub(crate) denials: Vec<String>,
    /// Panics and the like that a client or a command saw.
    pub(crate) crashes: Vec<String>,
    /// Where the action was not done, in one place or between two.
    pub(crate) stopped: BTreeSet<Vec<Place>>,
    pub(crate) transcript: String,
    imap: Option<Imap>,
    pub(crate) pop3: Option<Pop3>,
    pub(crate) lmtp: Option<(Lmtp, Vec<lmtp::Reply>)>,
    selected: Option<String>,
    /// How many mails the server has taken out of the selected mailbox.
    expunged: usize,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(site: &'a Site) -> Scene<'a> {
        Scene {
            site,
            known: site.before.clone(),
            asked: Vec::new(),
            denials: Vec::new(),
            crashes: Vec::new(),
            stopped: BTreeSet::new(),
            transcript: String::new(),
            imap: None,
            pop3: None,
            lmtp: None,
            selected: None,
            expunged: 0,
        }
    }

    /// Begins the session during which the filesystem goes away.
    pub(crate) fn begin(&mut self, session: Session, reads: bool) {
        let begun = match session {
            Session::Imap | Session::Onlooker => self.select(INBOX) && (!reads || self.fetch(INBOX, "1:*")),
            Session::Pop3 => self.pop3().is_some() && (!reads || delivery::download(self)),
            Session::Lmtp => {
                self.lmtp = Some(self.offer());
                true
            }
        };
        assert!(begun && self.denials.is_empty(), "all is well before:\n{}", self.transcript);
    }

    /// What an IMAP session that has lived through it sees when the filesystem is back.
    pub(crate) fn look_again(&mut self) {
        let Some(name) = self.selected.clone() else { return };
        self.note("", "-- it is back");
        if self.say("NOOP").is_some() && self.selected.is_some() {
            self.fetch(&name, "1:*");
        }
    }

    /// Ends all sessions.
    pub(crate) fn leave(&mut self) {
        if self.imap.is_some() {
            self.say("LOGOUT");
        }
        (self.imap, self.pop3, self.lmtp, self.selected) = (None, None, None, None);
    }

    /// Sends a command to the session, or to a new one; `None` when that ended without a tagged answer.
    pub(crate) fn say(&mut self, command: &str) -> Option<Reply> {
        self.converse(command, |imap| imap.command(command))
    }

    pub(crate) fn append(&mut self, mailbox: &str, message: &[u8]) -> Option<Reply> {
        self.converse(&format!("APPEND {mailbox}"), |imap| imap.append(mailbox, &["\\Seen"], message))
    }

    /// One exchange over IMAP, whatever it is.
    pub(crate) fn converse(
        &mut self,
        said: &str,
        exchange: impl FnOnce(&mut Imap) -> std::io::Result<Reply>,
    ) -> Option<Reply> {
        let mut imap = match self.imap.take() {
            Some(imap) => imap,
            None => self.login()?,
        };
        self.note("C: ", said);
        match exchange(&mut imap) {
            Ok(reply) => {
                self.take_in(said, &reply);
                if reply.status == Status::Bye {
                    self.selected = None;
                    return None;
                }
                self.imap = Some(imap);
                Some(reply)
            }
            Err(error) => {
                self.note("S: ", format!("({error})"));
                self.crashes.push(format!("{said}: {error}"));
                self.selected = None;
                None
            }
        }
    }

    fn login(&mut self) -> Option<Imap> {
        self.note("C: ", "LOGIN");
        let login = || {
            let mut imap = Imap::connect(&self.site.dovecot.run_dir().join("imap"))?;
            let reply = imap.login(USER, PASSWORD)?;
            Ok::<_, std::io::Error>((imap, reply))
        };
        (self.selected, self.expunged) = (None, 0);
        match login() {
            Ok((imap, reply)) => {
                self.take_in("LOGIN", &reply);
                reply.is_ok().then_some(imap)
            }
            Err(error) => {
                self.note("S: ", format!("({error})"));
                self.crashes.push(format!("LOGIN: {error}"));
                None
            }
        }
    }

    /// While idling: waits until the server says that there is new mail.
    pub(crate) fn hear_of_new_mail(&mut self) {
        while let Some(imap) = self.imap.as_mut() {
            match imap.next_untagged() {
                Ok(response) => {
                    self.note("S: * ", honest::shortened(&response));
                    if response.iter().any(|value| value.is("EXISTS")) {
                        return;
                    }
                }
                Err(error) => {
                    self.denied("IDLE", Some(format!("delivered mail is not announced: {error}")));
                    return;
                }
            }
        }
    }

    /// Writes the reply down and checks what can be said of any.
    fn take_in(&mut self, said: &str, reply: &Reply) {
        for response in &reply.untagged {
            self.note("S: * ", honest::shortened(response));
        }
        self.note("S: ", reply.answer());
        self.expunged += reply.responses("EXPUNGE").count();
        self.denied(said, honest::refusal(reply));
        let Some(name) = self.selected.clone() else { return };
        let Some(mailbox) = self.known.mailboxes.get(&name) else { return };
        let denial = honest::mailbox(reply, mailbox, self.leaving(&name), self.expunged);
        self.denied(said, denial);
    }

    /// How many mails of the mailbox the client wants out of it, done or not.
    fn leaving(&self, mailbox: &str) -> usize {
        let gone: BTreeSet<u32> =
            self.asked.iter().filter_map(|(effect, _)| effect.removes_from(mailbox)).collect();
        gone.len()
    }

    /// Selects a mailbox unless it is selected already; whether it is now.
    pub(crate) fn select(&mut self, name: &str) -> bool {
        if self.imap.is_some() && self.selected.as_deref() == Some(name) {
            return true;
        }
        self.select_anew(name)
    }

    pub(crate) fn select_anew(&mut self, name: &str) -> bool {
        if self.imap.is_none() {
            match self.login() {
                Some(imap) => self.imap = Some(imap),
                None => return false,
            }
        }
        (self.selected, self.expunged) = (Some(name.to_owned()), 0);
        let reply = self.say(&format!("SELECT {}", quoted(name)));
        if reply.is_some_and(|reply| reply.is_ok()) {
            return true;
        }
        self.selected = None;
        false
    }

    /// Fetches bodies and flags from the selected mailbox; whether it was done.
    pub(crate) fn fetch(&mut self, name: &str, uids: &str) -> bool {
        let command = format!("UID FETCH {uids} (UID FLAGS BODY.PEEK[])");
        let Some(reply) = self.say(&command) else { return false };
        let denial = honest::fetched(&reply, name, self.wanted(name), uids, self.flags_may_differ());
        self.denied(&command, denial);
        reply.is_ok()
    }

    /// The mails of a mailbox that the client hasn't asked to be removed.
    pub(crate) fn wanted(&self, name: &str) -> Mailbox {
        let mut mailbox = self.known.mailboxes.get(name).cloned().unwrap_or_default();
        let removed: BTreeSet<u32> =
            self.asked.iter().filter_map(|(effect, _)| effect.removes_from(name)).collect();
        mailbox.mails.retain(|uid, _| !removed.contains(uid));
        mailbox
    }

    fn flags_may_differ(&self) -> bool {
        self.asked.iter().any(|(effect, done)| matches!(effect, Effect::Flagged { .. }) && !done)
    }

    /// A POP3 connection, logged in.
    pub(crate) fn pop3(&mut self) -> Option<&mut Pop3> {
        if self.pop3.is_none() {
            self.note("C: ", "PASS");
            let mut pop3 = self.site.dovecot.pop3().expect("POP3 greets");
            // The login process answers PASS; when STAT is answered, the mailbox is open.
            let login = |pop3: &mut Pop3| match pop3.login(USER, PASSWORD)? {
                reply if reply.ok => pop3.command("STAT"),
                reply => Ok(reply),
            };
            match login(&mut pop3) {
                Ok(reply) => {
                    self.note("S: ", format!("{reply:?}"));
                    self.denied("PASS", honest::pop3_refusal(&reply));
                    self.pop3 = reply.ok.then_some(pop3);
                }
                Err(error) => self.crashes.push(format!("PASS: {error}")),
            }
        }
        self.pop3.as_mut()
    }

    /// An LMTP connection on which a mail for the user was announced, and the answer.
    pub(crate) fn offer(&mut self) -> (Lmtp, Vec<lmtp::Reply>) {
        let mut lmtp = self.site.dovecot.lmtp().expect("LMTP greets");
        let replies = lmtp.offer(&[USER]).expect("LMTP answers");
        self.note("S: ", format!("{replies:?}"));
        (lmtp, replies)
    }

    /// Runs a command such as `doveadm`; whether it succeeded.
    pub(crate) fn ran(&mut self, what: &str, output: &Output) -> bool {
        let said = String::from_utf8_lossy(&output.stderr);
        self.note("$ ", what);
        self.note("", format!("{}{}", said, output.status));
        let panicked = said.lines().find(|line| line.contains("Panic:"));
        match output.status.code() {
            _ if panicked.is_some() => self.crashes.push(format!("{what}: {}", panicked.unwrap_or_default())),
            Some(0 | 75) => {}
            // What timeout(1) makes of a signal.
            Some(code) if code > 123 => self.crashes.push(format!("{what}: exit {code}")),
            Some(code) => self.denials.push(format!("{what}: exit {code}, which is for good")),
            None => self.crashes.push(format!("{what}: {}", output.status)),
        }
        output.status.success()
    }

    /// Notes whether the action was done there.
    pub(crate) fn outcome(&mut self, places: &[Place], done: bool) {
        if !done {
            self.stopped.insert(places.to_vec());
        }
    }

    /// The effects that a command is to have; call before it is sent.
    pub(crate) fn asks(&mut self, effects: &[Effect]) {
        self.asked.extend(effects.iter().map(|effect| (effect.clone(), false)));
    }

    /// The server has said that these are done.
    pub(crate) fn promised(&mut self, effects: &[Effect]) {
        for effect in effects {
            self.asked.retain(|(asked, _)| asked != effect);
            effect.apply(&mut self.known);
            self.asked.push((effect.clone(), true));
        }
    }

    pub(crate) fn denied(&mut self, said: &str, denial: Option<String>) {
        if let Some(denial) = denial {
            self.note("!! ", &denial);
            self.denials.push(format!("{said}: {denial}"));
        }
    }

    pub(crate) fn note(&mut self, mark: &str, text: impl Display) {
        let _ = writeln!(self.transcript, "{mark}{text}");
    }
}
