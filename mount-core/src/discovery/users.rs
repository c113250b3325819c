//! What the user database says of users, as `doveadm user -u` prints it.

use std::path::Path;

use super::candidate::{Candidate, Origin};
use super::reach::Reach;
use crate::error::{Error, path_buf};
use crate::operation::Role;

/// Reads the records of users line by line, and remembers no more than whose record it is in.
#[derive(Debug, Default)]
pub struct UserRecords {
    user: Vec<u8>,
}

impl UserRecords {
    /// A reader at the beginning of a record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The user whose record is being read.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The places for mail that the next line names. A line that is none of a record names nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) or [`ErrorKind::Usage`](crate::ErrorKind::Usage) with the user
    /// for a home or location that cannot be one.
    pub fn line(&mut self, line: &[u8]) -> Result<Vec<Candidate>, Error> {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { return Ok(Vec::new()) };
        let value = line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..]);
        let origin = || Origin::User(self.user.clone());
        match line[..at].trim_ascii() {
            b"userdb" if line.starts_with(b"userdb") => {
                self.user = value.to_vec();
                Ok(Vec::new())
            }
            b"home" => literal(value, Role::Home, &origin()),
            b"mail_path" => literal(value, Role::Mail, &origin()),
            b"mail_index_path" => literal(value, Role::Index, &origin()),
            b"mail_alt_path" => literal(value, Role::Alt, &origin()),
            b"mail_control_path" => literal(value, Role::Control, &origin()),
            b"mail_inbox_path" => literal(value, Role::Inbox, &origin()),
            b"mail" | b"mail_location" => Candidate::of_location(value, &origin()),
            _ => Ok(Vec::new()),
        }
    }
}

/// A directory in which every variable is expanded already.
fn literal(value: &[u8], role: Role, origin: &Origin) -> Result<Vec<Candidate>, Error> {
    if value.is_empty() || (role != Role::Home && value[0] != b'/') {
        return Ok(Vec::new());
    }
    let path = path_buf(value);
    let reach = Reach::of_directory(Path::new(&path)).map_err(|error| error.context(origin.to_string()))?;
    Ok(vec![Candidate { reach, role, origin: origin.clone() }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_and_locations_are_read_whatever_bytes_they_are_of() {
        let mut records = UserRecords::new();
        let mut found = Vec::new();
        for line in [
            &b"userdb: bob@example.org"[..],
            b"  user      : bob@example.org",
            b"  home      : /home/b ob/%u/\xff ",
            b"  mail      : maildir:/srv/mail/bob:INDEX=/srv/index/bob",
            b"",
            b"userdb: carol",
            b"  home      : ",
            b"  mail      : maildir:~/Maildir",
        ] {
            found.extend(records.line(line).expect("a record"));
        }
        let beginnings: Vec<_> =
            found.iter().map(|place| place.reach.beginning().as_os_str().as_encoded_bytes()).collect();
        assert_eq!(beginnings, [&b"/home/b ob/%u/\xff "[..], b"/srv/mail/bob", b"/srv/index/bob"]);
        assert_eq!(found[0].origin, Origin::User(b"bob@example.org".to_vec()));
    }

    #[test]
    fn home_that_cannot_be_one_is_named_with_its_user() {
        let mut records = UserRecords::new();
        records.line(b"userdb: eve").expect("a header");
        let error = records.line(b"  home      : home/eve").expect_err("relative");
        assert!(error.chain().starts_with("user eve: path \"home/eve\" is relative"), "{error:?}");
    }

    #[test]
    fn value_that_was_broken_by_a_newline_names_at_most_what_it_looks_like() {
        let mut records = UserRecords::new();
        for line in [&b"userdb: eve"[..], b"  home      : /home/eve", b"what came after the newline"] {
            let found = records.line(line).expect("a record");
            assert!(found.iter().all(|place| place.reach.beginning() == Path::new("/home/eve")));
        }
    }
}
