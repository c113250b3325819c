//! Where mail is said to lie, and who says so.

use std::fmt;
use std::path::{Path, PathBuf};

use super::reach::{Percent, Reach, mark_variables};
use crate::error::{Error, ErrorKind, path_buf, quoted};
use crate::location::MailLocation;
use crate::operation::Role;

/// A home that is not known. A location that begins with it lies in the home, which is a candidate of its own.
const HOME: &str = "/\u{2}";

/// Who says that mail lies somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A setting of Dovecot's configuration, as in `protocol lmtp/mail_location`.
    Setting(String),
    /// A user of the user database, by name.
    User(Vec<u8>),
    /// Somebody who names a path: of a store of another server.
    Named,
    /// A mail process that opened a store.
    Use,
    /// The mount table alone: somebody asked for all there is.
    Table,
}

/// In words, as in `user bob@example.org`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Setting(name) => write!(f, "setting {name}"),
            Origin::User(name) => write!(f, "user {}", String::from_utf8_lossy(name).escape_debug()),
            Origin::Named => f.write_str("--mail-path"),
            Origin::Use => f.write_str("in use by a mail process"),
            Origin::Table => f.write_str("--all"),
        }
    }
}

/// A place for mail: how far it reaches, what it is for, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The directories it can lead to.
    pub reach: Reach,
    /// What they are for.
    pub role: Role,
    /// Who says so.
    pub origin: Origin,
}

impl Candidate {
    /// The places that a location such as `mdbox:/srv/mail/%d/%n:INDEX=/srv/index/%u` speaks of, one a directory.
    ///
    /// What lies in the user's home (`~/Maildir`, `%h/mail`, relative paths) is left out: homes are candidates of
    /// their own, and below them nothing is to be registered. So is a location that says nothing or leaves it to
    /// Dovecot to find the mail.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] or [`ErrorKind::Data`] for a location that Dovecot would refuse too.
    pub fn of_location(location: &[u8], origin: &Origin) -> Result<Vec<Candidate>, Error> {
        if location.is_empty() {
            return Ok(Vec::new());
        }
        let marked = mark_variables(location, Percent::Keep)?;
        let with_driver = match location[0] {
            b'/' | b'~' => [b"auto:", &*marked].concat(),
            _ => marked,
        };
        let readable = |error: Error| error.context(format!("{origin}: {}", quoted(&path_buf(location))));
        let parsed = MailLocation::parse(with_driver, Some(Path::new(HOME))).map_err(|error| {
            // Its own text has the marks in it; what was wrong is said by the part behind the location.
            readable(Error::new(error.kind(), "mail location cannot be understood"))
        })?;
        let roots = parsed.roots();
        let mut candidates: Vec<Candidate> = Vec::new();
        for role in Role::ALL {
            for path in roots.paths(&[*role]).into_iter().filter(|path| !path.starts_with(HOME)) {
                let reach = Reach::of_marked(path.as_os_str().as_encoded_bytes()).map_err(readable)?;
                if candidates.iter().all(|other| other.reach != reach) {
                    candidates.push(Candidate { reach, role: *role, origin: origin.clone() });
                }
            }
        }
        Ok(candidates)
    }

    /// A directory of one role, `%` variables being Dovecot's; `None` when it lies in the user's home.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] for a path that cannot be one.
    pub fn of_directory(text: &[u8], role: Role, origin: &Origin) -> Result<Option<Candidate>, Error> {
        if text.is_empty() || [&b"~"[..], b"%h", b"%{home}"].iter().any(|home| text.starts_with(home)) {
            return Ok(None);
        }
        let reach = Reach::of_setting(text).map_err(|error| error.context(origin.to_string()))?;
        Ok(Some(Candidate { reach, role, origin: origin.clone() }))
    }

    /// A path that somebody names.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] for a path that cannot be one.
    pub fn named(path: &Path) -> Result<Candidate, Error> {
        Ok(Candidate { reach: Reach::of_directory(path)?, role: Role::Mail, origin: Origin::Named })
    }

    /// This place and, when symlinks lead elsewhere, the place where it really is: mail needs the filesystems on
    /// both ways. `resolve` says where a path leads. One with `..` counts only where it really is, since what that
    /// means depends on the symlinks before it.
    ///
    /// # Errors
    /// Whatever `resolve` fails with, when nothing is left without it.
    pub fn resolved(
        self,
        resolve: impl FnOnce(&Path) -> Result<PathBuf, Error>,
    ) -> Result<Vec<Candidate>, Error> {
        let written = self.reach.beginning();
        let is_literal = !written.components().any(|part| part == std::path::Component::ParentDir);
        match resolve(written) {
            Ok(real) if real == written => Ok(vec![self]),
            Ok(real) => {
                let real = Candidate { reach: self.reach.beginning_at(&real), ..self.clone() };
                Ok(if is_literal { vec![self, real] } else { vec![real] })
            }
            Err(_) if is_literal => Ok(vec![self]),
            Err(error) => Err(error.context(self.origin.to_string())),
        }
    }
}

/// For recorded mount tables: there is nothing to resolve with, so that a path leads where it is written.
///
/// # Errors
/// [`ErrorKind::Data`] for a path with `..`.
pub fn as_written(path: &Path) -> Result<PathBuf, Error> {
    if path.components().any(|part| part == std::path::Component::ParentDir) {
        let text = format!("path {} has a \"..\", whose meaning a recorded table cannot tell", quoted(path));
        return Err(Error::new(ErrorKind::Data, text));
    }
    Ok(path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(location: &str) -> Vec<(Role, String)> {
        let origin = Origin::Setting("mail_location".to_owned());
        let found = Candidate::of_location(location.as_bytes(), &origin).expect("a location");
        found.into_iter().map(|place| (place.role, place.reach.to_string().replace('"', ""))).collect()
    }

    fn pairs(expected: &[(Role, &str)]) -> Vec<(Role, String)> {
        expected.iter().map(|(role, reach)| (*role, (*reach).to_owned())).collect()
    }

    #[test]
    fn each_directory_of_a_location_is_a_place_with_its_role() {
        let location = "mdbox:/srv/mail/%d/%n:INDEX=/srv/index/%u:ALT=/srv/alt/%d:CONTROL=/srv/control";
        let expected = [
            (Role::Mail, "/srv/mail/*/*"),
            (Role::Index, "/srv/index/*"),
            (Role::Control, "/srv/control"),
            (Role::Alt, "/srv/alt/*"),
        ];
        assert_eq!(places(location), pairs(&expected));
        let location = "mbox:~/mail:INBOX=/var/mail/%u:INDEX=MEMORY";
        assert_eq!(places(location), pairs(&[(Role::Inbox, "/var/mail/*")]));
    }

    #[test]
    fn location_in_the_home_says_nothing_of_its_own() {
        for location in
            ["maildir:~/Maildir", "maildir:%h/Maildir", "mdbox:mail", "sdbox:%{home}/x", "", "~/Maildir"]
        {
            assert_eq!(places(location), pairs(&[]), "{location}");
        }
        assert_eq!(places("/srv/mail/%u"), pairs(&[(Role::Mail, "/srv/mail/*")]));
    }

    #[test]
    fn location_that_cannot_be_understood_is_named_with_its_setting() {
        let origin = Origin::Setting("namespace old/location".to_owned());
        let error = Candidate::of_location(b"maildir:~carol/Maildir", &origin).expect_err("another's home");
        assert!(error.chain().contains("namespace old/location: \"maildir:~carol/Maildir\""), "{error:?}");
    }

    #[test]
    fn symlink_counts_on_both_ways_and_double_dots_only_on_the_real_one() {
        let lead = |_: &Path| Ok(PathBuf::from("/srv/mail"));
        let beginnings = |path: &str| -> Vec<PathBuf> {
            let candidate = Candidate::named(Path::new(path)).expect("a path");
            let found = candidate.resolved(lead).expect("resolved");
            found.iter().map(|place| place.reach.beginning().to_path_buf()).collect()
        };
        assert_eq!(beginnings("/var/mail"), [Path::new("/var/mail"), Path::new("/srv/mail")]);
        assert_eq!(beginnings("/var/../mail"), [Path::new("/srv/mail")]);
        let unresolved = Candidate::named(Path::new("/var/../mail")).expect("a path").resolved(as_written);
        assert_eq!(unresolved.expect_err("nothing to resolve with").kind(), ErrorKind::Data);
    }
}
