//! Where a Maildir store has its directories.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use mount_core::{Error, ErrorKind, Layout, MailLocation, Operation, Role, Roots, with_parents};

use crate::policy::roles_for;

/// How mailboxes are laid out below the mail root: Dovecot's `LAYOUT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Folders {
    /// Maildir++, the default: `.Archive.2020` beside the INBOX's `cur`, `new` and `tmp`.
    MaildirPlusPlus,
    /// Directories in directories: `Archive/2020`.
    Fs,
    /// `Archive.2020` without a leading dot, and an `INBOX` like the others.
    Imapdir,
    /// Directories named by GUID, which only Dovecot's list index knows.
    Index,
}

impl Folders {
    /// In lower case only: with `LAYOUT=FS` Dovecot lists as with `fs`, but has the INBOX elsewhere.
    fn of_layout(layout: &[u8]) -> Option<Folders> {
        match layout {
            b"maildir++" => Some(Folders::MaildirPlusPlus),
            b"fs" => Some(Folders::Fs),
            b"imapdir" => Some(Folders::Imapdir),
            b"index" => Some(Folders::Index),
            _ => None,
        }
    }
}

/// The directories of one Maildir store.
///
/// ```
/// use guard_maildir::MaildirLayout;
/// use std::path::Path;
///
/// let home = Path::new("/home/bob");
/// let layout = MaildirLayout::from_mail_location("maildir:~/Maildir", Some(home))?;
/// assert_eq!(layout.mailbox("INBOX")?, Path::new("/home/bob/Maildir"));
/// assert_eq!(layout.mailbox("Archive.2020")?, Path::new("/home/bob/Maildir/.Archive.2020"));
///
/// let layout = MaildirLayout::from_mail_location("maildir:~/Maildir:LAYOUT=fs", Some(home))?;
/// assert_eq!(layout.mailbox("Archive/2020")?, Path::new("/home/bob/Maildir/Archive/2020"));
/// # Ok::<(), mount_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaildirLayout {
    folders: Folders,
    roots: Roots,
    /// `MAILBOXDIR`, between the root and a mailbox's name.
    mailboxes: PathBuf,
    /// `DIRNAME`, below a mailbox's name.
    maildir: PathBuf,
    /// The one mailbox's own directory, where the layout is narrowed to one.
    only: Option<PathBuf>,
}

impl MaildirLayout {
    /// The layout that Dovecot makes of a `mail_location`; `home` stands for `~/` and `%h`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the driver is not `maildir`, when Dovecot has no such `LAYOUT`, and as
    /// [`MailLocation::parse`] has it.
    pub fn from_mail_location(
        location: impl AsRef<[u8]>,
        home: Option<&Path>,
    ) -> Result<MaildirLayout, Error> {
        let location = MailLocation::parse(location, home)?;
        if location.driver() != "maildir" {
            return Err(usage(format!("storage driver {:?} is not maildir", location.driver())));
        }
        let layout = location.value("LAYOUT").unwrap_or(b"maildir++");
        let folders = Folders::of_layout(layout).ok_or_else(|| {
            let text = format!(
                "LAYOUT {:?} does not exist; there are: maildir++, fs, imapdir, index",
                OsStr::from_bytes(layout)
            );
            usage(text)
        })?;
        // Maildir has no alternate storage; Dovecot reads ALT and does nothing with it.
        let roots = location.roots().without(Role::Alt);
        let maildir = location.path("FULLDIRNAME").or(location.path("DIRNAME"));
        let below = |path: Option<&Path>| path.map_or(PathBuf::new(), below_root);
        Ok(MaildirLayout {
            folders,
            roots,
            mailboxes: below(location.path("MAILBOXDIR")),
            maildir: below(maildir),
            only: None,
        })
    }

    /// The layout of directories that somebody else, such as Dovecot itself, has found out.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a relative path.
    pub fn from_roots(folders: Folders, roots: Roots) -> Result<MaildirLayout, Error> {
        let (mailboxes, maildir) = (PathBuf::new(), PathBuf::new());
        Ok(MaildirLayout { folders, roots: roots.absolute()?, mailboxes, maildir, only: None })
    }

    /// The same with a directory that a mail location cannot say: [`Role::Home`] where deliveries read scripts.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a relative path.
    pub fn with(mut self, role: Role, path: impl Into<PathBuf>) -> Result<MaildirLayout, Error> {
        self.roots = self.roots.with(role, path).absolute()?;
        Ok(self)
    }

    /// How mailboxes are laid out.
    #[must_use]
    pub fn folders(&self) -> Folders {
        self.folders
    }

    /// The directories by role.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The Maildir of a mailbox, by its name as it is stored: modified UTF-7, with the separator of the layout.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a name that would lead out of the mail root or into another mailbox's
    /// files, and for any name but INBOX with [`Folders::Index`].
    pub fn mailbox(&self, name: impl AsRef<[u8]>) -> Result<PathBuf, Error> {
        let name = name.as_ref();
        let root = self.roots.get(Role::Mail).ok_or_else(|| usage("the layout has no mail root".into()))?;
        if is_inbox(name) {
            if let Some(inbox) = self.inbox() {
                return Ok(inbox.to_path_buf());
            }
        }
        let separator = if self.folders == Folders::Fs { b'/' } else { b'.' };
        if self.folders == Folders::Index || !is_plain(name, separator) {
            let name = OsStr::from_bytes(name);
            return Err(usage(format!("mailbox name {name:?} leads to no directory of the store")));
        }
        let file = OsStr::from_bytes(name);
        Ok(match self.folders {
            Folders::MaildirPlusPlus => root.join(OsStr::from_bytes(&[b".", name].concat())),
            Folders::Imapdir | Folders::Index => root.join(file),
            Folders::Fs => with_components(root, &[&self.mailboxes, Path::new(file), &self.maildir]),
        })
    }

    /// The same for work on one mailbox, by its name as [`MaildirLayout::mailbox`] takes it.
    ///
    /// Its own directory, which may be a mountpoint or a symlink, must be there for it; an `INBOX=` elsewhere need
    /// not if it is another.
    ///
    /// # Errors
    /// As [`MaildirLayout::mailbox`].
    pub fn narrowed_to(&self, mailbox: impl AsRef<[u8]>) -> Result<MaildirLayout, Error> {
        Ok(MaildirLayout { only: Some(self.mailbox(mailbox)?), ..self.clone() })
    }

    /// The INBOX when it isn't named like other mailboxes: `INBOX`, or the mail root itself.
    fn inbox(&self) -> Option<&Path> {
        let base = match self.folders {
            Folders::MaildirPlusPlus => true,
            Folders::Fs => self.maildir.as_os_str().is_empty(),
            Folders::Imapdir | Folders::Index => false,
        };
        self.roots.get(Role::Inbox).or(self.roots.get(Role::Mail).filter(|_| base))
    }
}

impl Layout for MaildirLayout {
    /// Those of [`roles_for`], and the mailbox's own.
    fn paths_for(&self, operation: Operation) -> Vec<PathBuf> {
        // The INBOX's own directory is what is asked for when it is the one; replication looks at all mailboxes.
        let whole = self.only.is_none() || operation == Operation::Sync;
        let needed = |role: &Role| whole || *role != Role::Inbox;
        let roles: Vec<Role> = roles_for(operation).iter().copied().filter(needed).collect();
        let roots = self.roots.paths(&roles).into_iter().map(Path::to_path_buf);
        let paths = roots.chain(self.only.clone()).collect();
        if operation == Operation::Create { with_parents(paths) } else { paths }
    }
}

/// Whether a mailbox is the INBOX, in whatever case it is written.
fn is_inbox(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"INBOX")
}

/// Whether a name has parts between its separators and none of them is a way elsewhere.
fn is_plain(name: &[u8], separator: u8) -> bool {
    let clean =
        |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&b'/') && !part.contains(&0);
    !name.starts_with(b"~") && name.split(|byte| *byte == separator).all(clean)
}

/// A directory name that Dovecot puts below another: a slash at its beginning means nothing.
fn below_root(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_path_buf()
}

/// The path with those components that are not empty; an empty one would leave a slash at the end.
fn with_components(root: &Path, components: &[&Path]) -> PathBuf {
    components
        .iter()
        .filter(|component| !component.as_os_str().is_empty())
        .fold(root.to_path_buf(), |path, part| path.join(part))
}

fn usage(text: String) -> Error {
    Error::new(ErrorKind::Usage, text)
}
