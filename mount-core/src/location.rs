//! Dovecot's `mail_location` strings, and the directories of a mail store by what they are for.
//!
//! Only what all storage formats have in common is here; what a driver makes of it is its guard's.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::bytes::split_once;
use crate::error::{Error, ErrorKind};
use crate::operation::Role;

/// Keys whose value is a directory or file. The others are names and flags, which have no role.
const PATH_KEYS: [&str; 7] = ["INBOX", "INDEX", "INDEXPVT", "INDEXCACHE", "CONTROL", "ALT", "VOLATILEDIR"];

/// What a string such as `mdbox:/srv/mail/bob:INDEX=/srv/index/bob:ALT=/srv/alt/bob` says.
///
/// ```
/// use mount_core::{MailLocation, Role};
/// use std::path::Path;
///
/// let location = MailLocation::parse("maildir:~/Maildir:INDEX=/srv/index/bob", Some(Path::new("/home/bob")))?;
/// assert_eq!(location.driver(), "maildir");
/// assert_eq!(location.root(), Path::new("/home/bob/Maildir"));
/// assert_eq!(location.roots().paths(&[Role::Index]), [Path::new("/srv/index/bob")]);
/// # Ok::<(), mount_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailLocation {
    driver: String,
    root: PathBuf,
    options: Vec<(Vec<u8>, Vec<u8>)>,
}

impl MailLocation {
    /// The location taken apart as Dovecot 2.3 does it, with `~/`, `%h` and relative paths made absolute by
    /// `home`.
    ///
    /// `::` stands for a colon in a path. The driver is in lower case, since Dovecot doesn't mind the case.
    /// Where a key is given twice the later one counts. Keys that nobody knows are kept and have no role:
    /// Dovecot 2.3 itself starts no session with one, and which filesystems a later version would want
    /// for it cannot be guessed.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what Dovecot would refuse or find by trying (no driver, no root,
    /// `LISTINDEX` relative to indexes in memory), for another `%` variable than `%h`, for `~otheruser`,
    /// for an empty path, and when the home is needed but `None` or relative.
    pub fn parse(location: impl AsRef<[u8]>, home: Option<&Path>) -> Result<MailLocation, Error> {
        let text = location.as_ref();
        let home = Home { path: home, location: text };
        if text.contains(&0) {
            return Err(home.error("contains a NUL"));
        }
        let expanded = home.expand_variables(text)?;
        let (driver, rest) = split_driver(&expanded)
            .ok_or_else(|| home.error("names no driver; put one in front, such as \"maildir:\""))?;
        let mut fields = split_fields(rest).into_iter();
        let root = fields.next().filter(|root| !root.is_empty() && !root.starts_with(b"INBOX="));
        let root = root.ok_or_else(|| home.error("has no mail root after the driver"))?;

        let mut parsed = MailLocation { driver, root: home.absolute(&root)?, options: Vec::new() };
        for field in fields {
            let (key, value) = split_once(&field, b'=').unwrap_or((&field, b""));
            parsed.options.push((key.to_vec(), home.option(key, without_slash(value))?));
        }
        if parsed.in_memory() && parsed.list_index_dir().is_some_and(Path::is_relative) {
            return Err(home.error("has a LISTINDEX relative to INDEX=MEMORY"));
        }
        Ok(parsed)
    }

    /// The storage driver in lower case: `mdbox`, `maildir`.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// The mail root directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The value of a key as it was given, absolute where it is a path; empty for a key without a value.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        let found = self.options.iter().rev().find(|(name, _)| name == key.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }

    /// The value of a key that is a path.
    #[must_use]
    pub fn path(&self, key: &str) -> Option<&Path> {
        self.value(key).map(|value| Path::new(OsStr::from_bytes(value)))
    }

    /// Whether indexes are kept in memory: `INDEX=MEMORY`, or `INDEX=` with nothing behind it.
    #[must_use]
    pub fn in_memory(&self) -> bool {
        self.value("INDEX").is_some_and(names_memory)
    }

    /// The directories by role, with the defaults that all of Dovecot's drivers share: indexes and control
    /// files lie in the mail root unless they are said to be elsewhere, and indexes in memory lie nowhere.
    ///
    /// `INDEXPVT`, `INDEXCACHE` and the directory of `LISTINDEX` are indexes too. `VOLATILEDIR` has no role:
    /// it holds locks that are made to be lost, on a tmpfs as a rule, and mail needn't wait for it.
    #[must_use]
    pub fn roots(&self) -> Roots {
        let mut roots = Roots::new(&self.root);
        match self.path("INDEX") {
            _ if self.in_memory() => roots = roots.without(Role::Index),
            Some(index) => roots = roots.with(Role::Index, index),
            None => {}
        }
        let index = self.path("INDEX").unwrap_or(&self.root);
        let list_index = self.list_index_dir().map(|directory| index.join(directory));
        let more = [self.path("INDEXPVT"), self.path("INDEXCACHE"), list_index.as_deref()];
        for path in more.into_iter().flatten() {
            roots = roots.also(Role::Index, path);
        }
        for (role, key) in [(Role::Control, "CONTROL"), (Role::Alt, "ALT"), (Role::Inbox, "INBOX")] {
            if let Some(path) = self.path(key) {
                roots = roots.with(role, path);
            }
        }
        roots
    }

    /// The directory part of `LISTINDEX`, which is relative to the index directory.
    fn list_index_dir(&self) -> Option<&Path> {
        self.path("LISTINDEX")?.parent().filter(|directory| !directory.as_os_str().is_empty())
    }
}

/// The directories of one mail store by role, absolute; a role can have several or none.
///
/// ```
/// use mount_core::{Role, Roots};
/// use std::path::Path;
///
/// let roots = Roots::new("/srv/mail/bob").with(Role::Index, "/srv/index/bob");
/// assert_eq!(roots.paths(&[Role::Mail, Role::Control]), [Path::new("/srv/mail/bob")]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots(Vec<(Role, PathBuf)>);

impl Roots {
    /// A store that has its mails, indexes and control files in one directory, as is Dovecot's default.
    #[must_use]
    pub fn new(mail: impl Into<PathBuf>) -> Roots {
        let mail = mail.into();
        Roots(vec![(Role::Mail, mail.clone()), (Role::Index, mail.clone()), (Role::Control, mail)])
    }

    /// The same with `path` instead of what the role had.
    #[must_use]
    pub fn with(self, role: Role, path: impl Into<PathBuf>) -> Roots {
        self.without(role).also(role, path)
    }

    /// The same with `path` besides what the role has.
    #[must_use]
    pub fn also(mut self, role: Role, path: impl Into<PathBuf>) -> Roots {
        self.0.push((role, path.into()));
        self
    }

    /// The same with nothing for the role: indexes that are kept in memory.
    #[must_use]
    pub fn without(mut self, role: Role) -> Roots {
        self.0.retain(|(other, _)| *other != role);
        self
    }

    /// The first directory of the role.
    #[must_use]
    pub fn get(&self, role: Role) -> Option<&Path> {
        self.0.iter().find(|(other, _)| *other == role).map(|(_, path)| path.as_path())
    }

    /// The directories of all these roles, each once.
    #[must_use]
    pub fn paths(&self, roles: &[Role]) -> Vec<&Path> {
        let mut paths = Vec::new();
        for (role, path) in &self.0 {
            if roles.contains(role) && !paths.contains(&path.as_path()) {
                paths.push(path.as_path());
            }
        }
        paths
    }

    /// The same, after making sure that no path depends on a working directory.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for the first relative path.
    pub fn absolute(self) -> Result<Roots, Error> {
        match self.0.iter().find(|(_, path)| path.is_relative()) {
            Some((role, path)) => {
                Err(Error::new(ErrorKind::Usage, format!("{role} directory {path:?} is not absolute")))
            }
            None => Ok(self),
        }
    }
}

/// The user's home, and the location that is being read, for errors.
struct Home<'a> {
    path: Option<&'a Path>,
    location: &'a [u8],
}

impl Home<'_> {
    fn error(&self, what: &str) -> Error {
        let location = OsStr::from_bytes(self.location);
        Error::new(ErrorKind::Usage, format!("mail location {location:?} {what}"))
    }

    fn get(&self) -> Result<&Path, Error> {
        match self.path {
            Some(path) if path.is_absolute() => Ok(path),
            Some(path) => Err(self.error(&format!("is for the home {path:?}, which is not absolute"))),
            None => Err(self.error("needs the user's home, which is not given")),
        }
    }

    /// `%h` (or `%{home}`) and `%%` replaced. Before the string is split, as Dovecot does it: a home with a
    /// colon breaks the location there and here alike.
    fn expand_variables(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        let mut expanded = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = split_once(rest, b'%') {
            expanded.extend_from_slice(before);
            rest = if let Some(after) = after.strip_prefix(b"%") {
                expanded.push(b'%');
                after
            } else if let Some(after) = after.strip_prefix(b"h").or_else(|| after.strip_prefix(b"{home}")) {
                expanded.extend_from_slice(self.get()?.as_os_str().as_bytes());
                after
            } else {
                return Err(self.error(
                    "has a % variable that is not expanded; take the location from \"doveadm user -f mail USER\"",
                ));
            };
        }
        expanded.extend_from_slice(rest);
        Ok(expanded)
    }

    /// The value of an option as it is kept.
    fn option(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, Error> {
        let in_memory = key == b"INDEX" && names_memory(value);
        let is_path = PATH_KEYS.iter().any(|known| known.as_bytes() == key);
        if in_memory || !(is_path || key == b"LISTINDEX") {
            return Ok(value.to_vec());
        }
        if is_path && value.is_empty() {
            // Dovecot takes the empty string for a directory and works in "/".
            return Err(self.error(&format!("gives no path for {}", String::from_utf8_lossy(key))));
        }
        if !is_path && !value.starts_with(b"~") {
            return Ok(value.to_vec());
        }
        Ok(self.absolute(value)?.into_os_string().into_encoded_bytes())
    }

    /// A path made absolute. Dovecot's mail processes work in the home, so relative paths start there.
    fn absolute(&self, path: &[u8]) -> Result<PathBuf, Error> {
        let path = without_slash(path);
        if path.starts_with(b"/") {
            return Ok(PathBuf::from(OsStr::from_bytes(path)));
        }
        let below = match path.strip_prefix(b"~") {
            None => path,
            Some(b"") => return Ok(self.get()?.to_path_buf()),
            Some(below) if below.starts_with(b"/") => below,
            Some(_) => return Err(self.error("names another user's home; write it as a path")),
        };
        let leading = below.iter().take_while(|byte| **byte == b'/').count();
        Ok(self.get()?.join(OsStr::from_bytes(&below[leading..])))
    }
}

/// What stands for indexes in memory.
fn names_memory(value: &[u8]) -> bool {
    value == b"MEMORY" || value.is_empty()
}

/// `driver:rest`; a driver is letters, digits and `_`.
fn split_driver(text: &[u8]) -> Option<(String, &[u8])> {
    let (driver, rest) = split_once(text, b':')?;
    let word = !driver.is_empty() && driver.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    word.then(|| (String::from_utf8_lossy(driver).to_ascii_lowercase(), rest))
}

/// The fields between single colons; two colons are one that belongs to the field. Nothing after the last
/// colon is no field.
fn split_fields(text: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = vec![Vec::new()];
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b':' && bytes.next_if_eq(&b':').is_none() {
            if bytes.peek().is_some() {
                fields.push(Vec::new());
            }
        } else if let Some(field) = fields.last_mut() {
            field.push(byte);
        }
    }
    fields
}

/// One slash at the end taken away, as Dovecot does before it looks at the value.
fn without_slash(path: &[u8]) -> &[u8] {
    match path {
        b"/" => path,
        _ => path.strip_suffix(b"/").unwrap_or(path),
    }
}

#[cfg(test)]
mod tests;
