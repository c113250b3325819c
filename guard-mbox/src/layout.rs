//! Where an mbox store has its files and directories.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use mount_core::{Error, ErrorKind, Layout, MailLocation, Operation, Role, Roots, with_parents};

use crate::policy::{Scope, roles_for};

/// The files and directories of one mbox store.
///
/// ```
/// use guard_mbox::MboxLayout;
/// use mount_core::Role;
/// use std::path::Path;
///
/// let layout = MboxLayout::from_mail_location("mbox:~/mail:INBOX=/var/mail/bob", Some(Path::new("/home/bob")))?;
/// assert_eq!(layout.roots().get(Role::Inbox), Some(Path::new("/var/mail/bob")));
/// assert_eq!(layout.mailbox("lists/rust")?, Path::new("/home/bob/mail/lists/rust"));
/// # Ok::<(), mount_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MboxLayout {
    roots: Roots,
    /// `MAILBOXDIR`, between the root and a mailbox's name.
    mailboxes: PathBuf,
    /// `DIRNAME`, the file below a mailbox's name.
    file: PathBuf,
    scope: Scope,
    /// The mailbox's own file, where the scope is one mailbox.
    only: Option<PathBuf>,
}

impl MboxLayout {
    /// The layout that Dovecot makes of a `mail_location`; `home` stands for `~/` and `%h`.
    ///
    /// The INBOX is `inbox` in the mail root unless `INBOX=` says another file. [`Role::Control`] is there
    /// only where `CONTROL=` is: mbox keeps its UIDs in the mail files.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the driver is not `mbox`, when `LAYOUT` is another than `fs`, and as
    /// [`MailLocation::parse`] has it.
    pub fn from_mail_location(location: impl AsRef<[u8]>, home: Option<&Path>) -> Result<MboxLayout, Error> {
        let location = MailLocation::parse(location, home)?;
        if location.driver() != "mbox" {
            return Err(usage(format!("storage driver {:?} is not mbox", location.driver())));
        }
        let layout = location.value("LAYOUT").unwrap_or(b"fs");
        if !layout.eq_ignore_ascii_case(b"fs") {
            let layout = OsStr::from_bytes(layout);
            return Err(usage(format!(
                "LAYOUT {layout:?} is not known for mbox; give the directories instead"
            )));
        }
        // Dovecot reads ALT for any driver, and mbox does nothing with it.
        let mut roots = location.roots().without(Role::Alt);
        if location.path("CONTROL").is_none() {
            roots = roots.without(Role::Control);
        }
        if location.path("INBOX").is_none() {
            roots = roots.with(Role::Inbox, location.root().join("inbox"));
        }
        let below = |path: Option<&Path>| path.map_or(PathBuf::new(), below_root);
        let file = below(location.path("FULLDIRNAME").or(location.path("DIRNAME")));
        let mailboxes = below(location.path("MAILBOXDIR"));
        Ok(MboxLayout { roots, mailboxes, file, scope: Scope::Store, only: None })
    }

    /// The layout of files and directories that somebody else, such as Dovecot itself, has found out.
    ///
    /// Taken as they are: name the INBOX's file by [`Role::Inbox`], and leave [`Role::Control`] out
    /// ([`Roots::without`]) where there is no `CONTROL=`, or the INBOX won't go on without the mail root.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a relative path.
    pub fn from_roots(roots: Roots) -> Result<MboxLayout, Error> {
        let (mailboxes, file) = (PathBuf::new(), PathBuf::new());
        Ok(MboxLayout { roots: roots.absolute()?, mailboxes, file, scope: Scope::Store, only: None })
    }

    /// The same with a directory that a mail location cannot say: [`Role::Home`] where deliveries read scripts.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a relative path.
    pub fn with(mut self, role: Role, path: impl Into<PathBuf>) -> Result<MboxLayout, Error> {
        self.roots = self.roots.with(role, path).absolute()?;
        Ok(self)
    }

    /// The files and directories by role.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The file of a mailbox, by its name as it is stored: modified UTF-7, with `/` between its parts.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a name that would lead out of the mail root.
    pub fn mailbox(&self, name: impl AsRef<[u8]>) -> Result<PathBuf, Error> {
        let name = name.as_ref();
        if let Some(inbox) = self.roots.get(Role::Inbox).filter(|_| is_inbox(name)) {
            return Ok(inbox.to_path_buf());
        }
        let root = self.roots.get(Role::Mail).ok_or_else(|| usage("the layout has no mail root".into()))?;
        let file = OsStr::from_bytes(name);
        if !is_plain(name) {
            return Err(usage(format!("mailbox name {file:?} leads to no file of the store")));
        }
        Ok(with_components(root, &[&self.mailboxes, Path::new(file), &self.file]))
    }

    /// The same for work on one mailbox, by its name as [`MboxLayout::mailbox`] takes it.
    ///
    /// An INBOX in a spool directory goes on without the mail root, and the other folders without the INBOX.
    ///
    /// # Errors
    /// As [`MboxLayout::mailbox`].
    pub fn narrowed_to(&self, mailbox: impl AsRef<[u8]>) -> Result<MboxLayout, Error> {
        let name = mailbox.as_ref();
        let scope = if is_inbox(name) { Scope::Inbox } else { Scope::Folder };
        Ok(MboxLayout { scope, only: Some(self.mailbox(name)?), ..self.clone() })
    }
}

impl Layout for MboxLayout {
    /// Those of [`roles_for`], and the mailbox's own.
    fn paths_for(&self, operation: Operation) -> Vec<PathBuf> {
        let roots = self.roots.paths(roles_for(self.scope, operation)).into_iter().map(Path::to_path_buf);
        let paths = roots.chain(self.only.clone()).collect();
        if operation == Operation::Create { with_parents(paths) } else { paths }
    }
}

/// Whether a mailbox is the INBOX, in whatever case it is written.
fn is_inbox(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"INBOX")
}

/// Whether a name has parts between its slashes and none of them is a way elsewhere.
fn is_plain(name: &[u8]) -> bool {
    let clean = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    !name.starts_with(b"~") && name.split(|byte| *byte == b'/').all(clean)
}

/// A name that Dovecot puts below a directory: a slash at its beginning means nothing.
fn below_root(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_path_buf()
}

/// The path with those components that are not empty; an empty one would leave a slash at the end.
fn with_components(root: &Path, components: &[&Path]) -> PathBuf {
    let there = components.iter().filter(|component| !component.as_os_str().is_empty());
    there.fold(root.to_path_buf(), |path, part| path.join(part))
}

fn usage(text: String) -> Error {
    Error::new(ErrorKind::Usage, text)
}
