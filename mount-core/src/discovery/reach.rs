//! How far a location reaches: a fixed beginning, and what its variables may make of the rest.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, path_buf, quoted};
use crate::path;

/// Stands for a `%` variable: any text within one component. No location has it as a byte of its own.
pub(super) const VARIABLE: u8 = 1;

/// The directories that a location such as `/srv/mail/%d/%n` can lead to.
///
/// The fixed beginning goes up to the component with the first variable; each component from there on is a
/// pattern. Only as far as these patterns go can a filesystem below the beginning be one of mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    beginning: Vec<u8>,
    below: Vec<Vec<u8>>,
}

impl Reach {
    /// The reach of a directory, `%` variables in it being Dovecot's.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] for a path that is relative, empty, too long, or has a control character that none of
    /// Dovecot's settings could mean.
    pub fn of_setting(text: &[u8]) -> Result<Reach, Error> {
        Self::of_marked(&mark_variables(text, Percent::Decode)?)
    }

    /// The reach of exactly this directory.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] as for [`Reach::of_setting`].
    pub fn of_directory(directory: &Path) -> Result<Reach, Error> {
        let clean = path::clean(directory)?;
        Ok(Reach { beginning: clean.into_owned(), below: Vec::new() })
    }

    /// The reach of a path in which [`VARIABLE`] stands for variables.
    pub(super) fn of_marked(marked: &[u8]) -> Result<Reach, Error> {
        let whole = path_buf(marked);
        let clean = path::clean(&whole)?;
        let mut beginning = Vec::new();
        let mut components = path::components(&clean).peekable();
        while let Some(fixed) = components.next_if(|component| !component.contains(&VARIABLE)) {
            path::push(&mut beginning, fixed);
        }
        if beginning.is_empty() {
            beginning.push(b'/');
        }
        Ok(Reach { beginning, below: components.map(<[u8]>::to_vec).collect() })
    }

    /// The fixed beginning.
    #[must_use]
    pub fn beginning(&self) -> &Path {
        Path::new(std::ffi::OsStr::from_bytes(&self.beginning))
    }

    /// Whether variables make many directories of it, as a rule one a user.
    pub(super) fn is_pattern(&self) -> bool {
        !self.below.is_empty()
    }

    /// The same from another beginning: where the symlinks of this one lead.
    #[must_use]
    pub fn beginning_at(&self, real: &Path) -> Reach {
        Reach { beginning: real.as_os_str().as_bytes().to_vec(), below: self.below.clone() }
    }

    /// Whether a directory below the beginning is one that the patterns lead to or through.
    pub(super) fn leads_through(&self, directory: &[u8]) -> bool {
        let Some(rest) = self.below_beginning(directory) else { return false };
        let mut depth = 0;
        let fits = path::components(rest).all(|component| {
            depth += 1;
            self.below.get(depth - 1).is_some_and(|pattern| fits(pattern, component))
        });
        fits && depth > 0
    }

    /// Whether a directory lies deeper than the patterns go, in one that they lead to.
    pub(super) fn encloses(&self, directory: &[u8]) -> bool {
        let Some(rest) = self.below_beginning(directory) else { return false };
        let mut components = path::components(rest);
        let within =
            self.below.iter().all(|pattern| components.next().is_some_and(|name| fits(pattern, name)));
        within && components.next().is_some()
    }

    fn below_beginning<'d>(&self, directory: &'d [u8]) -> Option<&'d [u8]> {
        path::is_within(directory, &self.beginning).then(|| &directory[self.beginning.len()..])
    }
}

/// With `*` for each variable: `/srv/mail/*/*`.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut whole = self.beginning.clone();
        for pattern in &self.below {
            path::push(&mut whole, pattern);
        }
        whole.iter_mut().filter(|byte| **byte == VARIABLE).for_each(|byte| *byte = b'*');
        f.pad(&quoted(&path_buf(&whole)))
    }
}

/// What becomes of `%%` and `%h`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Percent {
    /// `%%` is a percent sign; the home is a variable like others.
    Decode,
    /// Both stay, for a parser that knows them.
    Keep,
}

/// Replaces each of Dovecot's variables by [`VARIABLE`]: `%u`, `%2.26Hn`, `%{user | domain}`.
pub(super) fn mark_variables(text: &[u8], percent: Percent) -> Result<Vec<u8>, Error> {
    if text.iter().any(|byte| *byte <= 2) {
        let text =
            format!("path {} has a control character that no path of mail can have", quoted(&path_buf(text)));
        return Err(Error::new(ErrorKind::Data, text));
    }
    let mut marked = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let (before, variable) = rest.split_at(at);
        marked.extend_from_slice(before);
        let (this, after) = variable.split_at(length_of_variable(variable));
        match (this, percent) {
            (b"%%", Percent::Decode) => marked.push(b'%'),
            (b"%%" | b"%h" | b"%{home}", Percent::Keep) => marked.extend_from_slice(this),
            _ => marked.push(VARIABLE),
        }
        rest = after;
    }
    marked.extend_from_slice(rest);
    Ok(marked)
}

/// How long the variable is that `text` begins with: the percent sign, width and modifiers, and a letter or what
/// is in braces.
fn length_of_variable(text: &[u8]) -> usize {
    let modifiers =
        text[1..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'A'..=b'Z'));
    let letter = 1 + modifiers.count();
    match text.get(letter) {
        Some(b'{') => text.iter().position(|byte| *byte == b'}').map_or(text.len(), |closing| closing + 1),
        Some(_) => letter + 1,
        None => text.len(),
    }
}

/// Whether a name is one that a pattern can become. A variable may be empty; it never holds a slash.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == VARIABLE);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts.filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|window| window == part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(text: &str) -> Reach {
        Reach::of_setting(text.as_bytes()).expect("a location")
    }

    #[test]
    fn fixed_beginning_ends_before_the_first_variable() {
        for (text, beginning, shown) in [
            ("/srv/mail/%d/%n", "/srv/mail", "\"/srv/mail/*/*\""),
            ("/srv/mail-%d/%n", "/srv", "\"/srv/mail-*/*\""),
            ("/srv/%2.26Hn/%{user | username}", "/srv", "\"/srv/*/*\""),
            ("/srv/100%%/%u", "/srv/100%", "\"/srv/100%/*\""),
            ("/srv//mail/./all/", "/srv/mail/all", "\"/srv/mail/all\""),
            ("/%u", "/", "\"/*\""),
        ] {
            let reach = reach(text);
            assert_eq!(
                (reach.beginning(), reach.to_string().as_str()),
                (Path::new(beginning), shown),
                "{text}"
            );
        }
    }

    #[test]
    fn patterns_lead_as_deep_as_they_are_written_and_no_deeper() {
        let reach = reach("/srv/mail/%d/%n");
        for (directory, leads) in [
            ("/srv/mail", false),
            ("/srv/mail/example.org", true),
            ("/srv/mail/example.org/bob", true),
            ("/srv/mail/example.org/bob/mnt", false),
            ("/srv/mailbox/a", false),
        ] {
            assert_eq!(reach.leads_through(directory.as_bytes()), leads, "{directory}");
        }
    }

    #[test]
    fn fixed_parts_of_a_pattern_have_to_fit() {
        let reach = reach("/srv/mail-%d.d/%n/Maildir");
        for (directory, leads) in [
            ("/srv/mail-example.org.d", true),
            ("/srv/mail-.d", true),
            ("/srv/backup", false),
            ("/srv/mail-example.org", false),
            ("/srv/mail-a.d/bob/Maildir", true),
            ("/srv/mail-a.d/bob/sshfs", false),
        ] {
            assert_eq!(reach.leads_through(directory.as_bytes()), leads, "{directory}");
        }
        assert!(
            fits(b"a\x01b\x01c", b"axxbyyc") && !fits(b"a\x01b\x01c", b"acb") && !fits(b"ab\x01ba", b"aba")
        );
    }

    #[test]
    fn enclosed_is_what_lies_deeper_than_the_pattern() {
        let homes = reach("/home/%u");
        assert!(homes.encloses(b"/home/bob/mnt") && homes.encloses(b"/home/bob/a/b"));
        assert!(!homes.encloses(b"/home/bob") && !homes.encloses(b"/home") && !homes.encloses(b"/homes/a/b"));
    }

    #[test]
    fn unusable_paths_are_refused() {
        for text in [&b"mail/%u"[..], b"", b"/srv/\x01", b"/srv/\0"] {
            assert_eq!(Reach::of_setting(text).expect_err("unusable").kind(), ErrorKind::Data, "{text:?}");
        }
    }
}
