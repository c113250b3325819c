//! What a client does, and what it may rely on afterwards.
//!
//! A change that is not answered by OK may have come about or not. What it concerned is left alone from then on, so
//! that what must be there is known exactly.

use std::collections::BTreeSet;

use fixtures::client::Value;
use fixtures::client::imap::{Reply, Status, quoted};

use crate::client::Client;
use crate::ledger::Folder;
use crate::message::{is_whole, message, message_id};
use crate::site::FIRST;

const INBOX: &str = "INBOX";

/// How many mailboxes of its own a client has at most.
const FOLDERS: usize = 3;

/// An action, and how often it's done.
type Often<'a> = (usize, fn(&mut Client<'a>));

impl<'a> Client<'a> {
    const ACTIONS: [Often<'a>; 13] = [
        (4, Client::append),
        (4, Client::read),
        (2, Client::read_first),
        (1, Client::read_folder),
        (3, Client::look),
        (2, Client::flag),
        (2, Client::copy),
        (2, Client::expunge),
        (1, Client::transfer),
        (2, Client::create),
        (1, Client::rename),
        (1, Client::delete),
        (1, Client::idle),
    ];

    pub(super) fn do_something(&mut self) {
        let all = Self::ACTIONS.iter().map(|(often, _)| often).sum();
        let mut chosen = self.random.below(all);
        for (often, action) in Self::ACTIONS {
            if chosen < often {
                return action(self);
            }
            chosen -= often;
        }
    }

    fn append(&mut self) {
        let id = self.new_name();
        let mail = message(&id);
        let command = format!("APPEND {INBOX} () {{{}}}", mail.len());
        let Some(reply) = self.ask(&command) else { return };
        if reply.status != Status::Continue {
            return;
        }
        let answer = self.converse("APPEND", |imap| imap.finish(&mail));
        if let Some(reply) = answer.filter(Reply::is_ok) {
            self.ledger.accept(message_id(&id), append_uid(&reply));
        }
    }

    /// Selects the INBOX, and picks a mail there that is this client's own.
    fn pick_own(&mut self) -> Option<(String, u32)> {
        let selected = self.select(INBOX)?;
        let own: Vec<_> = self.ledger.inbox.iter().map(|(id, own)| (id.clone(), own.clone())).collect();
        if own.is_empty() {
            return None;
        }
        let (id, own) = self.random.pick(&own).clone();
        if own.uid_validity == selected.uid_validity {
            return Some((id, own.uid));
        }
        self.site.tally.fail("SELECT: another UIDVALIDITY");
        None
    }

    /// Picks a mailbox of this client's own.
    fn pick_folder(&mut self) -> Option<(usize, String)> {
        let folders = self.ledger.folders.iter().enumerate();
        let known: Vec<_> =
            folders.filter_map(|(number, folder)| Some((number, folder.name()?.to_owned()))).collect();
        if known.is_empty() { None } else { Some(self.random.pick(&known).clone()) }
    }

    fn read(&mut self) {
        let Some((id, uid)) = self.pick_own() else { return };
        self.fetch(&format!("UID FETCH {uid} (BODY.PEEK[])"), &[id]);
    }

    /// Reads the mails that were there at first; those of dbox are in alternate storage in part.
    fn read_first(&mut self) {
        if self.select(INBOX).is_some() {
            let ids: Vec<_> =
                (1..=FIRST).map(|number| message_id(&format!("first-{}-{number}", self.user))).collect();
            self.fetch(&format!("UID FETCH 1:{FIRST} (BODY.PEEK[])"), &ids);
        }
    }

    fn read_folder(&mut self) {
        let Some((number, name)) = self.pick_folder() else { return };
        if self.select(&name).is_some() {
            let ids: Vec<_> = self.ledger.folders[number].mails.iter().cloned().collect();
            self.fetch("UID FETCH 1:* (BODY.PEEK[])", &ids);
        }
    }

    /// An OK promises that all of these mails came, and whole.
    fn fetch(&mut self, command: &str, ids: &[String]) {
        let Some(reply) = self.ask(command).filter(Reply::is_ok) else { return };
        let bodies: Vec<_> = reply
            .responses("FETCH")
            .filter_map(|fetch| Reply::item(fetch, "BODY[]"))
            .map(Value::bytes)
            .collect();
        let came = |id: &String| {
            let id = crate::message::id(id).unwrap_or_default();
            bodies.iter().any(|body| is_whole(body, id))
        };
        if !ids.iter().all(came) {
            self.site.tally.fail("UID FETCH: OK, without the mail");
        }
    }

    fn look(&mut self) {
        match self.random.below(4) {
            0 => drop(self.ask("LIST \"\" *")),
            1 => drop(self.ask(&format!("STATUS {INBOX} (MESSAGES UIDNEXT UNSEEN)"))),
            2 => drop(self.ask("NOOP")),
            _ => drop(self.select(INBOX)),
        }
    }

    fn idle(&mut self) {
        if self.select(INBOX).is_none() {
            return;
        }
        let idling = self.ask("IDLE").is_some_and(|reply| reply.status == Status::Continue);
        if idling {
            let [low, high] = self.site.scale.think;
            self.clock.rest(self.random.between(low, high));
            self.converse("IDLE", |imap| imap.finish(b"DONE"));
        }
    }

    fn flag(&mut self) {
        let Some((id, uid)) = self.pick_own() else { return };
        let done = self.does(&format!("UID STORE {uid} +FLAGS.SILENT (\\Flagged)"));
        if let Some(own) = self.ledger.inbox.get_mut(&id).filter(|_| done) {
            own.flagged = true;
        }
    }

    fn expunge(&mut self) {
        let Some((id, uid)) = self.pick_own() else { return };
        if !self.does(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)")) {
            return;
        }
        self.ledger.inbox.remove(&id);
        if self.does(&format!("UID EXPUNGE {uid}")) {
            self.ledger.gone.insert(id);
        }
    }

    fn copy(&mut self) {
        let Some((number, folder)) = self.pick_folder() else { return };
        let Some((id, uid)) = self.pick_own() else { return };
        if self.transfers(&format!("UID COPY {uid} {}", quoted(&folder))) {
            self.ledger.folders[number].mails.insert(id);
        }
    }

    /// A command about a mail that is there. OK may also say that there is none.
    fn transfers(&mut self, command: &str) -> bool {
        let Some(reply) = self.ask(command).filter(Reply::is_ok) else { return false };
        let done = !reply.text.starts_with("No messages found");
        if !done {
            self.site.tally.fail("UID COPY or MOVE: OK, without the mail");
        }
        done
    }

    fn transfer(&mut self) {
        let Some((number, folder)) = self.pick_folder() else { return };
        let Some((id, uid)) = self.pick_own() else { return };
        self.ledger.inbox.remove(&id);
        if self.transfers(&format!("UID MOVE {uid} {}", quoted(&folder))) {
            self.ledger.folders[number].mails.insert(id);
        } else {
            self.ledger.somewhere.insert(id);
            self.ledger.folders[number].left_alone = true;
        }
    }

    fn create(&mut self) {
        if self.ledger.folders.len() >= FOLDERS {
            return;
        }
        let name = self.new_name();
        if self.does(&format!("CREATE {}", quoted(&name))) {
            let (names, mails) = (vec![name], BTreeSet::new());
            self.ledger.folders.push(Folder { names, mails, left_alone: false });
        }
    }

    fn rename(&mut self) {
        let Some((number, old)) = self.pick_folder() else { return };
        self.unselect(&old);
        let new = self.new_name();
        let done = self.does(&format!("RENAME {} {}", quoted(&old), quoted(&new)));
        self.ledger.folders[number].names = if done { vec![new] } else { vec![old, new] };
    }

    fn delete(&mut self) {
        let Some((number, name)) = self.pick_folder() else { return };
        self.unselect(&name);
        self.ledger.folders.remove(number);
        self.ask(&format!("DELETE {}", quoted(&name)));
    }
}

/// UIDVALIDITY and UID of a mail that was appended, as the server says since RFC 4315.
fn append_uid(reply: &Reply) -> Option<(u32, u32)> {
    let numbers = reply.code.as_deref()?.strip_prefix("APPENDUID ")?;
    let (uid_validity, uid) = numbers.split_once(' ')?;
    Some((uid_validity.parse().ok()?, uid.parse().ok()?))
}
