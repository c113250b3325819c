//! Mails that can be recognised, each as a whole.

/// The mail with this id, so long that it is not written in one piece.
pub(crate) fn message(id: &str) -> Vec<u8> {
    let filler =
        "It has some length, so that it is not read or written at once.\r\n".repeat(20 + id.len() * 3);
    format!(
        "From: a@example.org\r\nSubject: about {id}\r\nMessage-ID: {}\r\n\r\n{filler}{}",
        message_id(id),
        last_line(id)
    )
    .into()
}

pub(crate) fn message_id(id: &str) -> String {
    format!("<{id}@soak>")
}

fn last_line(id: &str) -> String {
    format!("This ends {id}.\r\n")
}

/// Whether it is a mail by this id up to its end.
pub(crate) fn is_whole(message: &[u8], id: &str) -> bool {
    message.ends_with(last_line(id).as_bytes())
}

/// The id of a `Message-ID`.
pub(crate) fn id(message_id: &str) -> Option<&str> {
    message_id.strip_prefix('<')?.strip_suffix("@soak>")
}
