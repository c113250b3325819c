//! What an action changes when the server does as it says.

use std::fmt;

use fixtures::dovecot::{Mailbox, Truth, losses};

/// A change that a client or a sender has asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A mail has a flag or keyword.
    Flagged {
        mailbox: String,
        uid: u32,
        flag: String,
    },
    /// A mail is in the mailbox, known by its `Message-ID`.
    Arrived {
        mailbox: String,
        message_id: String,
    },
    /// A mail is gone.
    Gone {
        mailbox: String,
        uid: u32,
    },
    /// A mail has gone to another mailbox.
    Moved {
        from: String,
        uid: u32,
        to: String,
        message_id: String,
    },
    Created(String),
    Deleted(String),
    Renamed {
        from: String,
        to: String,
    },
    Subscribed(String),
}

impl Effect {
    /// The mail that the client itself wants out of this mailbox.
    pub(crate) fn removes_from(&self, name: &str) -> Option<u32> {
        match self {
            Effect::Gone { mailbox, uid } | Effect::Moved { from: mailbox, uid, .. } => {
                (mailbox == name).then_some(*uid)
            }
            _ => None,
        }
    }

    /// Whether it has come about.
    fn is_seen(&self, truth: &Truth) -> bool {
        let mailbox = |name: &String| truth.mailboxes.get(name);
        match self {
            Effect::Flagged { mailbox: name, uid, flag } => {
                let mail = mailbox(name).and_then(|mailbox| mailbox.mails.get(uid));
                mail.is_some_and(|mail| mail.flags.contains(flag))
            }
            Effect::Arrived { mailbox: name, message_id } => has(mailbox(name), message_id),
            Effect::Gone { mailbox: name, uid } => lacks(mailbox(name), *uid),
            Effect::Moved { from, uid, to, message_id } => {
                lacks(mailbox(from), *uid) && has(mailbox(to), message_id)
            }
            Effect::Created(name) => mailbox(name).is_some(),
            Effect::Deleted(name) => mailbox(name).is_none(),
            Effect::Renamed { from, to } => mailbox(from).is_none() && mailbox(to).is_some(),
            Effect::Subscribed(name) => truth.subscriptions.contains(name),
        }
    }

    /// Makes it so. What is added needs no entry: more than expected is no loss.
    pub(crate) fn apply(&self, truth: &mut Truth) {
        match self {
            Effect::Flagged { mailbox, uid, flag } => {
                let mails = truth.mailboxes.get_mut(mailbox).map(|mailbox| &mut mailbox.mails);
                if let Some(mail) = mails.and_then(|mails| mails.get_mut(uid)) {
                    mail.flags.insert(flag.clone());
                }
            }
            Effect::Gone { mailbox, uid } | Effect::Moved { from: mailbox, uid, .. } => {
                if let Some(mailbox) = truth.mailboxes.get_mut(mailbox) {
                    mailbox.mails.remove(uid);
                }
            }
            Effect::Deleted(name) => drop(truth.mailboxes.remove(name)),
            Effect::Renamed { from, to } => {
                if let Some(mailbox) = truth.mailboxes.remove(from) {
                    truth.mailboxes.insert(to.clone(), mailbox);
                }
            }
            Effect::Arrived { .. } | Effect::Created(_) | Effect::Subscribed(_) => {}
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::Flagged { mailbox, uid, flag } => write!(f, "mail {uid} of {mailbox} has {flag}"),
            Effect::Arrived { mailbox, message_id } => write!(f, "{message_id} is in {mailbox}"),
            Effect::Gone { mailbox, uid } => write!(f, "mail {uid} of {mailbox} is gone"),
            Effect::Moved { from, uid, to, .. } => write!(f, "mail {uid} of {from} is in {to}"),
            Effect::Created(name) => write!(f, "{name} is created"),
            Effect::Deleted(name) => write!(f, "{name} is deleted"),
            Effect::Renamed { from, to } => write!(f, "{from} is {to}"),
            Effect::Subscribed(name) => write!(f, "{name} is subscribed"),
        }
    }
}

fn has(mailbox: Option<&Mailbox>, message_id: &str) -> bool {
    mailbox.is_some_and(|mailbox| mailbox.mails.values().any(|mail| mail.message_id == message_id))
}

fn lacks(mailbox: Option<&Mailbox>, uid: u32) -> bool {
    mailbox.is_some_and(|mailbox| !mailbox.mails.contains_key(&uid))
}

/// An effect, and whether the server said that it is done.
pub(crate) type Asked = (Effect, bool);

/// What is not as it was, or not as the server has promised.
///
/// What was asked for but not promised may have come about or not: the client doesn't know either.
pub(crate) fn lost(before: &Truth, after: &Truth, asked: &[Asked]) -> Vec<String> {
    let mut expected = before.clone();
    let come_about = asked.iter().filter(|(effect, promised)| *promised || effect.is_seen(after));
    come_about.for_each(|(effect, _)| effect.apply(&mut expected));
    let broken = asked.iter().filter(|(effect, promised)| *promised && !effect.is_seen(after));
    losses(&expected, after, &[])
        .iter()
        .map(ToString::to_string)
        .chain(broken.map(|(effect, _)| format!("not so, as promised: {effect}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use fixtures::dovecot::Mail;

    use super::*;

    fn truth(mails: &[(u32, &str)]) -> Truth {
        let mail =
            |uid: u32, id: &str| Mail { flags: [].into(), message_id: id.to_owned(), body: uid.into() };
        let mails = mails.iter().map(|(uid, id)| (*uid, mail(*uid, id))).collect();
        let mailbox = Mailbox { uid_validity: 1, mails };
        Truth { mailboxes: [("INBOX".to_owned(), mailbox)].into(), ..Truth::default() }
    }

    fn gone(uid: u32) -> Effect {
        Effect::Gone { mailbox: "INBOX".to_owned(), uid }
    }

    #[test]
    fn what_was_asked_for_may_have_come_about_or_not() {
        let (before, after) = (truth(&[(1, "a"), (2, "b")]), truth(&[(2, "b")]));
        assert_eq!(lost(&before, &after, &[(gone(1), false), (gone(2), false)]), Vec::<String>::new());
        assert_eq!(lost(&before, &after, &[]), ["mail 1 of INBOX is gone"]);
    }

    #[test]
    fn what_was_promised_has_to_be_so() {
        let before = truth(&[(1, "a")]);
        let arrived = Effect::Arrived { mailbox: "INBOX".to_owned(), message_id: "b".to_owned() };
        assert_eq!(
            lost(&before, &before, &[(gone(1), true)]),
            ["not so, as promised: mail 1 of INBOX is gone"]
        );
        assert_eq!(
            lost(&before, &before, &[(arrived.clone(), true)]),
            ["not so, as promised: b is in INBOX"]
        );
        assert_eq!(lost(&before, &before, &[(arrived, false)]), Vec::<String>::new());
    }

    #[test]
    fn mail_that_left_one_mailbox_and_reached_no_other_is_lost() {
        let (from, to) = ("INBOX".to_owned(), "Archive".to_owned());
        let moved = Effect::Moved { from, uid: 1, to, message_id: "a".to_owned() };
        assert_eq!(lost(&truth(&[(1, "a")]), &truth(&[]), &[(moved, false)]), ["mail 1 of INBOX is gone"]);
    }
}
