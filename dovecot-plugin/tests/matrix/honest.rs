//! Whether an answer shows less than the truth, or denies it. A temporary refusal never does.

use std::collections::BTreeMap;

use fixtures::client::imap::{Reply, Status};
use fixtures::client::{Value, pop3};
use fixtures::dovecot::Mailbox;

use crate::site::message;

/// Codes of a refusal that leave the client with what it knows. `SERVERBUG` is Dovecot's for internal errors.
const TEMPORARY: [&str; 4] = ["UNAVAILABLE", "SERVERBUG", "INUSE", "LIMIT"];

/// What a refusal says for good.
pub(crate) fn refusal(reply: &Reply) -> Option<String> {
    let refused = matches!(reply.status, Status::No | Status::Bad | Status::Bye);
    let code = reply.code.as_deref().unwrap_or_default();
    let dated = reply.text.contains("Internal error") || reply.status == Status::Bye;
    let temporary = TEMPORARY.contains(&code) || (code.is_empty() && dated);
    (refused && !temporary).then(|| format!("refused for good: {}", reply.answer()))
}

/// The same in POP3, which has two codes for temporary trouble.
pub(crate) fn pop3_refusal(reply: &pop3::Reply) -> Option<String> {
    let temporary = reply.text.starts_with("[SYS/TEMP]") || reply.text.starts_with("[IN-USE]");
    (!reply.ok && !temporary).then(|| format!("refused for good: {}", reply.text))
}

/// What a reply says of the mailbox that is selected. The client itself wants `leaving` mails out of it, and
/// was told of `expunged`.
pub(crate) fn mailbox(reply: &Reply, known: &Mailbox, leaving: usize, expunged: usize) -> Option<String> {
    if expunged > leaving {
        return Some(format!("{expunged} mails expunged, of which the client wanted {leaving}"));
    }
    let exists = reply.exists().map(|number| number as usize);
    // Mails that are known to be gone are not counted by `known`, others that may be gone are.
    let least = known.mails.len().saturating_sub(leaving);
    if let Some(number) = exists.filter(|number| *number < least) {
        return Some(format!("{number} mails exist, of {least}"));
    }
    let validity = reply.code_number("UIDVALIDITY").filter(|number| *number != known.uid_validity);
    validity.map(|number| format!("UIDVALIDITY {number}, not {}", known.uid_validity))
}

/// What a FETCH of these UIDs says of the mails in it.
pub(crate) fn fetched(
    reply: &Reply,
    name: &str,
    wanted: Mailbox,
    uids: &str,
    flags_may_differ: bool,
) -> Option<String> {
    let responses: BTreeMap<u32, &[Value]> = reply
        .responses("FETCH")
        .filter_map(|response| Some((Reply::item(response, "UID")?.number()?, response)))
        .collect();
    for (uid, mail) in wanted.mails {
        let Some(response) = responses.get(&uid) else {
            if reply.is_ok() && within(uid, uids) {
                return Some(format!("mail {uid} of {name} is left out"));
            }
            continue;
        };
        let body = Reply::item(response, "BODY[]").map(Value::bytes);
        let whole = mail.message_id.is_empty() || body == Some(&message(&mail.message_id));
        if body.is_some() && !whole {
            return Some(format!("mail {uid} of {name} has another body"));
        }
        let flags = Reply::item(response, "FLAGS").map(Value::list).unwrap_or_default();
        let missing = mail.flags.iter().find(|flag| !flags.iter().any(|value| value.text() == **flag));
        if let Some(flag) = missing.filter(|_| !flags_may_differ) {
            return Some(format!("mail {uid} of {name} lacks {flag}"));
        }
    }
    None
}

/// Whether a set such as `4:*` or `2` holds the UID.
pub(crate) fn within(uid: u32, uids: &str) -> bool {
    let (first, last) = uids.split_once(':').unwrap_or((uids, uids));
    let number = |text: &str| text.parse().unwrap_or(u32::MAX);
    (number(first)..=number(last)).contains(&uid)
}

/// A response in one line, its texts cut.
pub(crate) fn shortened(response: &[Value]) -> String {
    let text = |value: &Value| match value {
        Value::List(values) => format!("({})", shortened(values)),
        _ => {
            let text = value.text();
            let line: String = text.chars().take(48).collect();
            let cut =
                if line.len() < text.len() { format!("… {} bytes", text.len()) } else { String::new() };
            format!("{}{cut}", line.escape_debug())
        }
    };
    response.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use fixtures::dovecot::Mail;

    use super::*;

    fn reply(status: Status, code: &str, untagged: Vec<Vec<Value>>) -> Reply {
        Reply {
            status,
            code: (!code.is_empty()).then(|| code.to_owned()),
            text: "so it is".to_owned(),
            untagged,
        }
    }

    fn atom(text: &str) -> Value {
        Value::Atom(text.into())
    }

    fn mailbox_of(uids: &[u32]) -> Mailbox {
        let mail = |uid: &u32| (*uid, Mail { flags: [].into(), message_id: format!("<{uid}>"), body: 0 });
        Mailbox { uid_validity: 1, mails: uids.iter().map(mail).collect() }
    }

    fn fetch(uid: &str, body: &[u8]) -> Vec<Value> {
        let items = vec![atom("UID"), atom(uid), atom("BODY[]"), Value::Text(body.to_vec())];
        vec![atom(uid), atom("FETCH"), Value::List(items)]
    }

    #[test]
    fn temporary_refusal_is_honest_and_a_final_one_is_not() {
        for (code, honest) in
            [("UNAVAILABLE", true), ("SERVERBUG", true), ("NONEXISTENT", false), ("", false)]
        {
            assert_eq!(refusal(&reply(Status::No, code, vec![])).is_none(), honest, "{code}");
        }
        assert_eq!(refusal(&reply(Status::Ok, "NONEXISTENT", vec![])), None);
    }

    #[test]
    fn fewer_mails_than_there_are_is_a_denial() {
        let exists = |number: &str| reply(Status::Ok, "", vec![vec![atom(number), atom("EXISTS")]]);
        let known = mailbox_of(&[1, 2]);
        assert_eq!(mailbox(&exists("2"), &known, 0, 0), None);
        assert_eq!(mailbox(&exists("1"), &known, 1, 1), None, "the client wants one out of it");
        assert!(mailbox(&exists("1"), &known, 0, 0).is_some());
        assert!(mailbox(&reply(Status::Ok, "", vec![]), &known, 0, 1).is_some(), "an unasked expunge");
    }

    #[test]
    fn left_out_mail_is_a_denial_unless_the_fetch_was_refused() {
        let only_first = |status| reply(status, "UNAVAILABLE", vec![fetch("1", &message("<1>"))]);
        let fetched = |reply: &Reply| fetched(reply, "INBOX", mailbox_of(&[1, 2]), "1:*", false);
        assert!(fetched(&only_first(Status::Ok)).is_some());
        assert_eq!(fetched(&only_first(Status::No)), None);
        assert!(fetched(&reply(Status::No, "", vec![fetch("1", b"")])).is_some(), "an empty body");
    }
}
