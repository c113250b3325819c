//! What an IMAP client does.

use fixtures::client::Value;
use fixtures::client::imap::{Reply, Status, quoted};

use crate::delivery;
use crate::effect::Effect;
use crate::honest;
use crate::plan::Place;
use crate::scene::Scene;
use crate::site::{DELETED, EMPTY, FOLDER, INBOX, MAILBOXES, OLD, SHARED, id, message};

/// Where each mailbox is.
const PLACES: [(&str, Place); 3] =
    [(INBOX, Place::Inbox), (FOLDER, Place::Folder), (SHARED, Place::Namespace)];

/// Of the INBOX's mails, one in primary and one in alternate storage that nothing else is done to.
const PRIMARY: u32 = 5;
const ALT: u32 = 2;

pub(crate) fn list(scene: &mut Scene<'_>) {
    for command in ["LIST", "LSUB"] {
        let all = listed(scene, command, "*");
        scene.outcome(&[Place::Account], all);
    }
    // Patterns that don't span the namespaces.
    let own = listed(scene, "LIST", FOLDER);
    scene.outcome(&[Place::Folder], own);
}

fn listed(scene: &mut Scene<'_>, command: &str, pattern: &str) -> bool {
    let command_line = format!("{command} \"\" {pattern}");
    let Some(reply) = scene.say(&command_line) else { return false };
    let names: Vec<String> =
        reply.responses(command).filter_map(|values| values.get(3)).map(Value::text).collect();
    let subscribed = |name: &str| command == "LIST" || !EMPTY.contains(&name);
    let wanted = MAILBOXES.iter().map(|(name, _)| *name);
    let wanted = wanted.filter(|name| subscribed(name) && (pattern == "*" || *name == pattern));
    let missing = wanted.filter(|name| !names.iter().any(|listed| listed == name)).collect::<Vec<_>>();
    let denial = (reply.is_ok() && !missing.is_empty()).then(|| format!("{missing:?} left out"));
    scene.denied(&command_line, denial);
    reply.is_ok()
}

pub(crate) fn status(scene: &mut Scene<'_>) {
    for (name, place) in PLACES {
        let command = format!("STATUS {} (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)", quoted(name));
        let reply = scene.say(&command);
        let done = reply.as_ref().is_some_and(Reply::is_ok);
        if let Some(reply) = reply.filter(|_| done) {
            let denial = shown_less(scene, name, &reply);
            scene.denied(&command, denial);
        }
        scene.outcome(&[place], done);
    }
}

fn shown_less(scene: &Scene<'_>, name: &str, reply: &Reply) -> Option<String> {
    let mailbox = scene.known.mailboxes.get(name)?;
    let response = reply.responses("STATUS").next()?;
    let item = |item: &str| Reply::item(response, item).and_then(Value::number).unwrap_or_default();
    let (messages, next) = (mailbox.mails.len() as u32, mailbox.mails.keys().max().map_or(1, |uid| uid + 1));
    let whole = item("MESSAGES") >= messages
        && item("UIDNEXT") >= next
        && item("UIDVALIDITY") == mailbox.uid_validity;
    (!whole).then(|| format!("{}, of {messages} mails", honest::shortened(response)))
}

pub(crate) fn select(scene: &mut Scene<'_>) {
    for (name, place) in PLACES {
        let done = scene.select_anew(name);
        scene.outcome(&[place], done);
    }
    let done = scene.select_anew(INBOX);
    scene.outcome(&[Place::Inbox], done);
}

pub(crate) fn fetch(scene: &mut Scene<'_>) {
    for (name, place) in PLACES {
        let primary = if name == SHARED { "1:*".to_owned() } else { format!("{}:*", OLD + 1) };
        let done = scene.select(name) && scene.fetch(name, &primary);
        scene.outcome(&[place], done);
    }
    let done = scene.select(INBOX) && scene.fetch(INBOX, &format!("1:{OLD}"));
    scene.outcome(&[Place::Alt], done);
    let done = scene.select(INBOX) && scene.fetch(INBOX, "1:*");
    scene.outcome(&[Place::Alt], done);
}

pub(crate) fn search(scene: &mut Scene<'_>) {
    for (name, place) in PLACES {
        let primary = if name == SHARED { "1:*".to_owned() } else { format!("{}:*", OLD + 1) };
        let done = scene.select(name) && searched(scene, name, &primary);
        scene.outcome(&[place], done);
    }
    let done = scene.select(INBOX) && searched(scene, INBOX, "1:*");
    scene.outcome(&[Place::Alt], done);
}

fn searched(scene: &mut Scene<'_>, name: &str, uids: &str) -> bool {
    let command = format!("UID SEARCH UID {uids} BODY findable");
    let Some(reply) = scene.say(&command) else { return false };
    let hits: Vec<u32> =
        reply.responses("SEARCH").flat_map(|values| values.iter().filter_map(Value::number)).collect();
    let missing = scene.wanted(name).mails.into_keys().filter(|uid| honest::within(*uid, uids));
    let missing: Vec<u32> = missing.filter(|uid| !hits.contains(uid)).collect();
    let denial = (reply.is_ok() && !missing.is_empty()).then(|| format!("{missing:?} not found"));
    scene.denied(&command, denial);
    reply.is_ok()
}

/// Sends a command that is to have these effects.
fn change(scene: &mut Scene<'_>, command: &str, effects: &[Effect]) -> bool {
    scene.asks(effects);
    let done = scene.say(command).is_some_and(|reply| reply.is_ok());
    if done {
        scene.promised(effects);
    }
    done
}

pub(crate) fn store(scene: &mut Scene<'_>) {
    for (name, place, uid) in
        [(INBOX, Place::Inbox, PRIMARY), (INBOX, Place::Inbox, ALT), (SHARED, Place::Namespace, 1)]
    {
        let flagged = |flag: &str| Effect::Flagged { mailbox: name.into(), uid, flag: flag.into() };
        let effects = [flagged("\\Answered"), flagged("later")];
        let command = format!("UID STORE {uid} +FLAGS (\\Answered later)");
        let done = scene.select(name) && change(scene, &command, &effects);
        scene.outcome(&[place], done);
    }
}

pub(crate) fn expunge(scene: &mut Scene<'_>) {
    // The old one last: it may be refused, which must not keep the other from being tried.
    for uid in DELETED.into_iter().rev() {
        let place = if uid > OLD { Place::Inbox } else { Place::Alt };
        let gone = Effect::Gone { mailbox: INBOX.into(), uid };
        let done = scene.select(INBOX) && change(scene, &format!("UID EXPUNGE {uid}"), &[gone]);
        scene.outcome(&[place], done);
    }
}

pub(crate) fn append(scene: &mut Scene<'_>) {
    for (name, place) in PLACES {
        let message_id = format!("<appended-{}@example.org>", name.replace('/', "-"));
        let effect = Effect::Arrived { mailbox: name.into(), message_id: message_id.clone() };
        scene.asks(std::slice::from_ref(&effect));
        let done = scene.append(name, &message(&message_id)).is_some_and(|reply| reply.is_ok());
        if done {
            scene.promised(&[effect]);
        }
        scene.outcome(&[place], done);
    }
}

pub(crate) fn copy(scene: &mut Scene<'_>) {
    for (uid, to, places) in [
        (PRIMARY, FOLDER, [Place::Inbox, Place::Folder]),
        (PRIMARY, SHARED, [Place::Inbox, Place::Namespace]),
        (ALT, FOLDER, [Place::Alt, Place::Folder]),
    ] {
        let effect = Effect::Arrived { mailbox: to.into(), message_id: id(INBOX, uid) };
        let done = scene.select(INBOX) && change(scene, &format!("UID COPY {uid} {}", quoted(to)), &[effect]);
        scene.outcome(&places, done);
    }
}

pub(crate) fn move_mails(scene: &mut Scene<'_>) {
    for (uid, to, places) in [
        (PRIMARY, FOLDER, [Place::Inbox, Place::Folder]),
        (PRIMARY + 1, SHARED, [Place::Inbox, Place::Namespace]),
        (ALT, FOLDER, [Place::Alt, Place::Folder]),
    ] {
        let message_id = id(INBOX, uid);
        let effect = Effect::Moved { from: INBOX.into(), uid, to: to.into(), message_id };
        let done = scene.select(INBOX) && change(scene, &format!("UID MOVE {uid} {}", quoted(to)), &[effect]);
        scene.outcome(&places, done);
    }
}

pub(crate) fn create(scene: &mut Scene<'_>) {
    for (name, place) in [("New", Place::Folder), ("Other/New", Place::Namespace)] {
        let done = change(scene, &format!("CREATE {}", quoted(name)), &[Effect::Created(name.into())]);
        scene.outcome(&[place], done);
    }
}

pub(crate) fn delete(scene: &mut Scene<'_>) {
    for (name, place) in [(FOLDER, Place::Folder), (SHARED, Place::Namespace)] {
        let done = change(scene, &format!("DELETE {}", quoted(name)), &[Effect::Deleted(name.into())]);
        scene.outcome(&[place], done);
    }
}

pub(crate) fn rename(scene: &mut Scene<'_>) {
    for (from, to, place) in [(FOLDER, "Renamed", Place::Folder), (SHARED, "Other/Renamed", Place::Namespace)]
    {
        let effect = Effect::Renamed { from: from.into(), to: to.into() };
        let done = change(scene, &format!("RENAME {} {}", quoted(from), quoted(to)), &[effect]);
        scene.outcome(&[place], done);
    }
}

pub(crate) fn subscribe(scene: &mut Scene<'_>) {
    for (name, place) in EMPTY.into_iter().zip([Place::Folder, Place::Namespace]) {
        let effect = Effect::Subscribed(name.into());
        let done = change(scene, &format!("SUBSCRIBE {}", quoted(name)), &[effect]);
        scene.outcome(&[place], done);
    }
}

/// Idles while a mail is delivered.
pub(crate) fn idle(scene: &mut Scene<'_>) {
    let idling =
        scene.select(INBOX) && scene.say("IDLE").is_some_and(|reply| reply.status == Status::Continue);
    if !idling {
        scene.outcome(&[Place::Inbox], false);
        return;
    }
    if delivery::deliver(scene, "<idle@example.org>", INBOX) {
        scene.hear_of_new_mail();
    }
    let done = scene.converse("DONE", |imap| imap.finish(b"DONE")).is_some_and(|reply| reply.is_ok());
    scene.outcome(&[Place::Inbox], done);
}
