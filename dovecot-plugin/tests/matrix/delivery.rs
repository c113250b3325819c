//! What mail servers and a POP3 client do.

use crate::effect::Effect;
use crate::honest;
use crate::plan::Place;
use crate::scene::Scene;
use crate::site::{FOLDER, INBOX, USER, message};

pub(crate) fn lmtp(scene: &mut Scene<'_>) {
    let done = deliver(scene, "<lmtp@example.org>", INBOX);
    scene.outcome(&[Place::Inbox], done);
}

/// A mail that the user's script files in a folder.
pub(crate) fn lmtp_filed(scene: &mut Scene<'_>) {
    let done = deliver(scene, "<lmtp-filed@example.org>", FOLDER);
    scene.outcome(&[Place::Folder], done);
}

/// Delivers a mail that belongs in that mailbox; whether the server has taken it.
pub(crate) fn deliver(scene: &mut Scene<'_>, message_id: &str, mailbox: &str) -> bool {
    let effect = Effect::Arrived { mailbox: mailbox.into(), message_id: message_id.into() };
    scene.asks(std::slice::from_ref(&effect));
    scene.note("C: ", format!("LMTP delivery of {message_id}"));
    let (mut lmtp, offered) = scene.lmtp.take().unwrap_or_else(|| scene.offer());
    let replies = lmtp.send(offered, &message(message_id));
    scene.note("S: ", format!("{replies:?}"));
    let reply = match replies {
        Ok(replies) => replies.into_iter().next(),
        Err(error) => {
            scene.crashes.push(format!("LMTP: {error}"));
            None
        }
    };
    let Some(reply) = reply else { return false };
    let for_good = !reply.accepted() && !reply.is_temporary();
    scene.denied("LMTP", for_good.then(|| format!("{} {}", reply.code, reply.text)));
    if reply.accepted() {
        scene.promised(&[effect]);
    }
    reply.accepted()
}

pub(crate) fn lda(scene: &mut Scene<'_>) {
    let done = deliver_locally(scene, "<lda@example.org>", INBOX);
    scene.outcome(&[Place::Inbox], done);
}

pub(crate) fn lda_filed(scene: &mut Scene<'_>) {
    let done = deliver_locally(scene, "<lda-filed@example.org>", FOLDER);
    scene.outcome(&[Place::Folder], done);
}

fn deliver_locally(scene: &mut Scene<'_>, message_id: &str, mailbox: &str) -> bool {
    let effect = Effect::Arrived { mailbox: mailbox.into(), message_id: message_id.into() };
    scene.asks(std::slice::from_ref(&effect));
    let output = scene.site.dovecot.lda(USER, &message(message_id)).expect("dovecot-lda runs");
    let done = scene.ran("dovecot-lda", &output);
    if done {
        scene.promised(&[effect]);
    }
    done
}

/// The mail that a POP3 client removes, by its number and UID.
const REMOVED: u32 = 5;

pub(crate) fn pop3(scene: &mut Scene<'_>) {
    let done = scene.pop3().is_some() && download(scene) && remove(scene);
    scene.pop3 = None;
    scene.outcome(&[Place::Inbox], done);
}

/// Sends a command; what came after `+OK`.
fn ask(scene: &mut Scene<'_>, command: &str) -> Option<String> {
    let reply = scene.pop3()?.command(command);
    scene.note("C: ", command);
    scene.note("S: ", format!("{reply:?}"));
    let reply = reply.ok()?;
    scene.denied(command, honest::pop3_refusal(&reply));
    reply.ok.then_some(reply.text)
}

pub(crate) fn download(scene: &mut Scene<'_>) -> bool {
    let Some(stat) = ask(scene, "STAT") else { return false };
    let mails = scene.known.mailboxes.get(INBOX).cloned().unwrap_or_default().mails;
    let number: usize = stat.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default();
    scene.denied("STAT", (number < mails.len()).then(|| format!("{number} mails, of {}", mails.len())));
    let mut whole = true;
    for (number, (uid, mail)) in (1..).zip(&mails) {
        // Reading in POP3 marks as seen, in the end.
        scene.asks(&[Effect::Flagged { mailbox: INBOX.into(), uid: *uid, flag: "\\Seen".into() }]);
        whole &= retrieve(scene, number, &mail.message_id);
    }
    whole
}

fn retrieve(scene: &mut Scene<'_>, number: u32, message_id: &str) -> bool {
    let command = format!("RETR {number}");
    let Some(pop3) = scene.pop3.as_mut() else { return false };
    let Ok((reply, body)) = pop3.retrieve(&command) else {
        // Dovecot's way to say that it cannot read on.
        scene.note("S: ", format!("(disconnected after {command})"));
        scene.pop3 = None;
        return false;
    };
    scene.note("S: ", format!("{command}: {reply:?}"));
    scene.denied(&command, honest::pop3_refusal(&reply));
    let whole = body == message(message_id);
    scene.denied(&command, (reply.ok && !whole).then(|| format!("{message_id} has another body")));
    reply.ok && whole
}

fn remove(scene: &mut Scene<'_>) -> bool {
    let effect = Effect::Gone { mailbox: INBOX.into(), uid: REMOVED };
    scene.asks(std::slice::from_ref(&effect));
    let done = ask(scene, &format!("DELE {REMOVED}")).is_some() && ask(scene, "QUIT").is_some();
    if done {
        scene.promised(&[effect]);
    }
    done
}
