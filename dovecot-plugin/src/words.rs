//! What clients are told, and fitting text into C's fixed buffers.

use mount_core::State;

/// Dovecot's IMAP server sends a text that begins like this as the response code of its `NO`
/// (RFC 5530); a plugin has no other way to set one.
const RESPONSE_CODE: &str = "[UNAVAILABLE] ";

/// The line for a mail client: says that it is temporary, and nothing of the server's inside.
pub(crate) fn for_client(state: Option<State>, message: Option<&str>) -> String {
    let text = message.unwrap_or(match state {
        Some(State::Offline) => "This mailbox is offline for now, try again later",
        Some(State::Failover) => "This mailbox is served by its replica for now, connect again",
        _ => "Mail storage is not available right now, try again later",
    });
    format!("{RESPONSE_CODE}{text}")
}

/// Copies as much of the text as fits, NUL-terminated, never half a character. Control characters
/// become `?`: a line break would let a text pass for protocol.
pub(crate) fn fit(text: &str, buffer: &mut [u8]) {
    let mut used = 0;
    for character in text.chars() {
        let character = if character.is_control() { '?' } else { character };
        if used + character.len_utf8() >= buffer.len() {
            break;
        }
        character.encode_utf8(&mut buffer[used..]);
        used += character.len_utf8();
    }
    if let Some(end) = buffer.get_mut(used) {
        *end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_begins_with_the_response_code() {
        for state in [None, Some(State::Online), Some(State::Offline), Some(State::Failover)] {
            assert!(for_client(state, None).starts_with("[UNAVAILABLE] "));
        }
        assert_eq!(for_client(None, Some("Back at six")), "[UNAVAILABLE] Back at six");
    }

    #[test]
    fn offline_and_failover_have_texts_of_their_own() {
        let texts =
            [State::Online, State::Offline, State::Failover].map(|state| for_client(Some(state), None));
        assert_ne!(texts[0], texts[1]);
        assert_ne!(texts[1], texts[2]);
    }

    #[test]
    fn text_is_cut_at_a_character_and_ends_in_nul() {
        let mut buffer = [0xff_u8; 6];
        fit("aaaä€", &mut buffer);
        assert_eq!(&buffer, b"aaa\xc3\xa4\0");
        fit("aaaa€", &mut buffer);
        assert_eq!(&buffer[..5], b"aaaa\0");
    }

    #[test]
    fn line_breaks_do_not_reach_the_protocol() {
        let mut buffer = [0_u8; 16];
        fit("a\r\nOK b", &mut buffer);
        assert_eq!(&buffer[..7], b"a??OK b");
    }
}
