//! A mail client: it comes, does one thing after another with time to think between, leaves, and comes again.

use std::io;
use std::time::Instant;

use fixtures::client::imap::{Imap, Reply, Status, quoted};

use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::random::Random;
use crate::site::{Site, name};

/// A client of one user's, and what it knows that must be there.
pub(crate) struct Client<'a> {
    pub(super) site: &'a Site,
    pub(super) clock: &'a Clock,
    pub(super) random: Random,
    pub(super) user: usize,
    /// Tells apart all clients of a run.
    pub(super) number: usize,
    /// How many names it has given out.
    pub(super) names: usize,
    pub(super) ledger: Ledger,
    session: Option<Session>,
}

struct Session {
    imap: Imap,
    selected: Option<Selected>,
}

#[derive(Clone)]
pub(super) struct Selected {
    mailbox: String,
    pub(super) uid_validity: u32,
}

impl<'a> Client<'a> {
    pub(crate) fn new(site: &'a Site, clock: &'a Clock, seed: u64, number: usize) -> Client<'a> {
        let random = Random::new(seed, number as u64);
        let user = number % site.scale.users;
        let ledger = Ledger::default();
        Client { site, clock, random, user, number, names: 0, ledger, session: None }
    }

    /// Works until the run is over; the user, and what must be there.
    pub(crate) fn work(mut self) -> (usize, Ledger) {
        let [low, high] = self.site.scale.think;
        while self.clock.rest(self.random.between(low, high)) {
            if self.site.is_leaving(self.user) || self.random.percent(5) {
                self.leave();
            } else if self.session.is_some() || self.come() {
                self.do_something();
            }
        }
        self.leave();
        (self.user, self.ledger)
    }

    fn come(&mut self) -> bool {
        let from = Instant::now();
        match self.site.dovecot.imap(&name(self.user)) {
            Ok(imap) => self.session = Some(Session { imap, selected: None }),
            Err(error) if error.to_string().contains("[UNAVAILABLE]") => {
                self.site.tally.refuse(self.user, from, format!("LOGIN: {error}"));
            }
            Err(error) => self.site.tally.fail(&format!("LOGIN: {error}")),
        }
        self.session.is_some()
    }

    fn leave(&mut self) {
        if self.session.is_some() {
            self.ask("LOGOUT");
        }
        self.session = None;
    }

    /// The answer, unless the connection broke.
    pub(super) fn ask(&mut self, command: &str) -> Option<Reply> {
        self.converse(command, |imap| imap.command(command))
    }

    /// Whether it was answered by OK.
    pub(super) fn does(&mut self, command: &str) -> bool {
        self.ask(command).is_some_and(|reply| reply.is_ok())
    }

    /// Has a part of a conversation, and counts what comes of it.
    pub(super) fn converse(
        &mut self,
        command: &str,
        part: impl FnOnce(&mut Imap) -> io::Result<Reply>,
    ) -> Option<Reply> {
        let session = self.session.as_mut()?;
        let verb = command.split(' ').take(if command.starts_with("UID") { 2 } else { 1 });
        let verb = verb.collect::<Vec<_>>().join(" ");
        let from = Instant::now();
        let result = part(&mut session.imap);
        let answer = match &result {
            Ok(reply) => reply.answer(),
            Err(error) => error.to_string(),
        };
        let line = format!("u{} c{} {command}: {answer}", self.user, self.number);
        self.site.tally.ask(self.clock, from, &line);
        let reply = match result {
            Ok(reply) => reply,
            Err(error) => {
                self.session = None;
                self.site.tally.fail(&format!("{verb}: {error}"));
                return None;
            }
        };
        match reply.status {
            Status::Ok | Status::Continue => {}
            // A FETCH of several mails says so within its own error.
            _ if answer.contains("[UNAVAILABLE]") => {
                self.site.tally.refuse(self.user, from, format!("{verb}: {answer}"));
            }
            _ => self.site.tally.fail(&format!("{verb}: {answer}")),
        }
        if reply.status == Status::Bye {
            self.session = None;
        }
        Some(reply)
    }

    /// Opens the mailbox, also now and then when it is open already; `None` when it can't be.
    pub(super) fn select(&mut self, mailbox: &str) -> Option<Selected> {
        let selected = self.session.as_ref()?.selected.clone();
        if selected.as_ref().is_some_and(|selected| selected.mailbox == mailbox) && !self.random.percent(20) {
            return selected;
        }
        let reply = self.ask(&format!("SELECT {}", quoted(mailbox)));
        let session = self.session.as_mut()?;
        session.selected = None;
        let reply = reply.filter(Reply::is_ok)?;
        let uid_validity = reply.code_number("UIDVALIDITY")?;
        session.selected = Some(Selected { mailbox: mailbox.to_owned(), uid_validity });
        session.selected.clone()
    }

    /// Leaves the mailbox that is selected when it is this one.
    pub(super) fn unselect(&mut self, mailbox: &str) {
        let Some(session) = &mut self.session else { return };
        if session.selected.take_if(|selected| selected.mailbox == mailbox).is_some() {
            self.ask("UNSELECT");
        }
    }

    /// A name that no client has used before.
    pub(super) fn new_name(&mut self) -> String {
        self.names += 1;
        format!("c{}-{}", self.number, self.names)
    }
}
