//! Where a dbox store has its directories.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mount_core::{Error, ErrorKind, Layout, MailLocation, Operation, Role, Roots};

use crate::policy::{Change, roles_for, roles_for_change};

/// The link in the mail root by which Dovecot remembers where alternate storage was.
const ALT_LINK: &str = "dbox-alt-root";
/// mdbox's directory of mail files, and of the map of them among the indexes.
const STORAGE: &str = "storage";
/// The directory of mailboxes, unless `MAILBOXDIR` says another.
const MAILBOXES: &str = "mailboxes";

/// Which of the two dbox formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Multi-dbox: several mails a file in `storage/`, mailboxes are indexes only.
    Mdbox,
    /// Single-dbox: a file a mail, in the mailbox's own directory.
    Sdbox,
}

impl Format {
    /// The format of a Dovecot driver; `dbox` is an old name of sdbox.
    fn of_driver(driver: &str) -> Option<Format> {
        match driver {
            "mdbox" => Some(Format::Mdbox),
            "sdbox" | "dbox" => Some(Format::Sdbox),
            _ => None,
        }
    }
}

/// The directories of one mdbox or sdbox store.
///
/// ```
/// use guard_dbox::DboxLayout;
/// use mount_core::Role;
/// use std::path::Path;
///
/// let layout = DboxLayout::from_mail_location("sdbox:~/dbox:ALT=/srv/alt/bob", Some(Path::new("/home/bob")))?;
/// assert_eq!(layout.roots().get(Role::Mail), Some(Path::new("/home/bob/dbox")));
/// assert_eq!(layout.roots().get(Role::Alt), Some(Path::new("/srv/alt/bob")));
/// # Ok::<(), mount_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DboxLayout {
    format: Format,
    roots: Roots,
    mailboxes: PathBuf,
}

impl DboxLayout {
    /// The layout that Dovecot makes of a `mail_location`; `home` stands for `~/` and `%h`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the driver is none of `mdbox`, `sdbox`, `dbox`, for mdbox with `INDEX=MEMORY`,
    /// and as [`MailLocation::parse`] has it.
    pub fn from_mail_location(location: impl AsRef<[u8]>, home: Option<&Path>) -> Result<DboxLayout, Error> {
        let location = MailLocation::parse(location, home)?;
        let format = Format::of_driver(location.driver()).ok_or_else(|| {
            let text = format!("storage driver {:?} is not dbox; there are: mdbox, sdbox", location.driver());
            Error::new(ErrorKind::Usage, text)
        })?;
        if format == Format::Mdbox && location.in_memory() {
            // Dovecot 2.3 panics on it.
            let text = "mdbox cannot have INDEX=MEMORY: only its indexes know which mail is whose";
            return Err(Error::new(ErrorKind::Usage, text));
        }
        // An empty MAILBOXDIR is no choice of the mail root: Dovecot takes it for "not said".
        let mailboxes = location.path("MAILBOXDIR").filter(|name| !name.as_os_str().is_empty());
        let mailboxes = mailboxes.unwrap_or(Path::new(MAILBOXES));
        let mailboxes = mailboxes.strip_prefix("/").unwrap_or(mailboxes).to_path_buf();
        Ok(DboxLayout { format, roots: location.roots(), mailboxes })
    }

    /// The layout of directories that somebody else, such as Dovecot itself, has found out.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a relative path.
    pub fn from_roots(format: Format, roots: Roots) -> Result<DboxLayout, Error> {
        Ok(DboxLayout { format, roots: roots.absolute()?, mailboxes: MAILBOXES.into() })
    }

    /// The same with a directory that a mail location cannot say: [`Role::Attachments`]
    /// (`mail_attachment_dir`), or [`Role::Home`] where deliveries read scripts.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a relative path.
    pub fn with(mut self, role: Role, path: impl Into<PathBuf>) -> Result<DboxLayout, Error> {
        self.roots = self.roots.with(role, path).absolute()?;
        Ok(self)
    }

    /// Which dbox it is.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The directories by role.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Every path that must be permitted for work that needs `roles`.
    ///
    /// Besides the roots these are the directories that dbox has in each of them, since they may be
    /// mountpoints or symlinks of their own. For [`Role::Alt`] it is also the `dbox-alt-root` link: where it
    /// leads is alternate storage even if the location says no `ALT`, or another.
    #[must_use]
    pub fn paths(&self, roles: &[Role]) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for role in roles {
            let stored = matches!(role, Role::Mail | Role::Index | Role::Control | Role::Alt);
            let link = self.alt_link().filter(|_| *role == Role::Alt);
            for root in self.roots.paths(&[*role]).into_iter().chain(link.as_deref()) {
                paths.push(root.to_path_buf());
                if stored {
                    paths.extend(self.directories().into_iter().map(|name| root.join(name)));
                }
            }
        }
        paths.sort();
        paths.dedup();
        paths
    }

    /// Every path that must be permitted for a change that needs less than all that [`Operation::Delete`] stands
    /// for: those of [`roles_for_change`].
    #[must_use]
    pub fn paths_for_change(&self, change: Change) -> Vec<PathBuf> {
        self.paths(roles_for_change(self.format, change))
    }

    /// Makes sure that the `dbox-alt-root` link and `ALT` name the same directory.
    ///
    /// When they don't, mails may lie where no longer anybody looks, and Dovecot's next start of a session
    /// puts a new link over the only record of it. No link is fine: nothing was ever moved to alternate
    /// storage. Reads the mail root, so call it where that is permitted.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] when they differ, [`ErrorKind::Io`] or [`ErrorKind::Permission`] when the link
    /// cannot be read.
    pub fn check_alt_link(&self) -> Result<(), Error> {
        let Some(link) = self.alt_link() else { return Ok(()) };
        let target = match fs::read_link(&link) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::syscall("readlink", &link, error)),
        };
        let alt = self.roots.get(Role::Alt);
        // Dovecot's old versions let the link lead to the mailboxes in the alternate storage.
        if alt.is_some_and(|alt| target == alt || target == alt.join(&self.mailboxes)) {
            return Ok(());
        }
        let now = alt.map_or("none".to_owned(), |alt| format!("{alt:?}"));
        let text = format!("{link:?} says that alternate storage is {target:?}, but ALT is {now}");
        Err(Error::new(ErrorKind::Data, text))
    }

    fn alt_link(&self) -> Option<PathBuf> {
        self.roots.get(Role::Mail).map(|mail| mail.join(ALT_LINK))
    }

    fn directories(&self) -> Vec<&Path> {
        match self.format {
            Format::Mdbox => vec![&self.mailboxes, Path::new(STORAGE)],
            Format::Sdbox => vec![&self.mailboxes],
        }
    }
}

impl Layout for DboxLayout {
    /// Those of [`roles_for`].
    fn paths_for(&self, operation: Operation) -> Vec<PathBuf> {
        self.paths(roles_for(operation))
    }
}
