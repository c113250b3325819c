//! What is to become of findings, by what the registry says already.

use std::fmt;
use std::path::{Path, PathBuf};

use super::exclusion::Exclusion;
use super::expected::Expected;
use super::survey::{Finding, Sight};
use crate::error::{Error, quoted};
use crate::filesystem::Filesystem;
use crate::presence::Presence;
use crate::registry::{Document, Entry, Pattern};
use crate::state::State;
use crate::table::MountTable;

/// What is to be done about a finding, or why nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Register it, recording this filesystem; none for an automount that waits.
    Add(Option<Filesystem>),
    /// It is registered.
    Registered(State),
    /// It was removed by hand, and stays so.
    Forgotten,
    /// A wildcard says that nothing below it is of interest.
    Ignored,
    /// It is a mount, but none of mail's.
    Excluded(Exclusion),
    /// It should be mounted by what the system's configuration says, and was never seen mounted.
    Unseen(Expected),
}

impl Decision {
    /// What a registry makes of a finding.
    #[must_use]
    pub fn on(finding: &Finding, document: &Document) -> Decision {
        let registered = match Pattern::literal(&finding.mountpoint) {
            Ok(pattern) if document.is_forgotten(&pattern) => return Decision::Forgotten,
            Ok(pattern) => document
                .get(&pattern)
                .map(|entry| entry.state)
                .or_else(|| by_wildcard(document, &finding.mountpoint)),
            Err(_) => None,
        };
        match (&finding.sight, registered) {
            (_, Some(State::Ignore)) => Decision::Ignored,
            (_, Some(state)) => Decision::Registered(state),
            (Sight::Mounted(_, Some(exclusion)), _) => Decision::Excluded(*exclusion),
            (Sight::Mounted(filesystem, None), _) => Decision::Add(filesystem.clone()),
            (Sight::Expected(expected), _) => Decision::Unseen(expected.clone()),
        }
    }

    /// One word for it: `add`, `registered`, `forgotten`, `ignored`, `excluded`, `unseen`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Decision::Add(_) => "add",
            Decision::Registered(_) => "registered",
            Decision::Forgotten => "forgotten",
            Decision::Ignored => "ignored",
            Decision::Excluded(_) => "excluded",
            Decision::Unseen(_) => "unseen",
        }
    }
}

/// The state that a wildcard gives a mountpoint: that of one for the directory it lies in, or `ignore` of any
/// above.
fn by_wildcard(document: &Document, mountpoint: &Path) -> Option<State> {
    mountpoint.ancestors().skip(1).enumerate().find_map(|(level, directory)| {
        let pattern = Pattern::parse(&directory.join("*")).ok()?.into_owned();
        document.get(&pattern).map(|entry| entry.state).filter(|state| level == 0 || *state == State::Ignore)
    })
}

/// Registers what was decided to be added, unless somebody registered or removed it meanwhile, or it is no
/// longer mounted in `table`. Returns what was.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a path that no registry can hold.
pub fn register(
    findings: &[Finding],
    document: &mut Document,
    table: &MountTable,
) -> Result<Vec<PathBuf>, Error> {
    let mut added = Vec::new();
    for finding in findings {
        let Decision::Add(filesystem) = Decision::on(finding, document) else { continue };
        let path = finding.mountpoint.as_os_str().as_encoded_bytes();
        if !table.locate(path).is_some_and(|located| located.is_root) {
            continue;
        }
        let pattern = Pattern::literal(&finding.mountpoint)?.into_owned();
        let mut entry = Entry::new(pattern, State::Online);
        if let Some(filesystem) = filesystem {
            entry.options.record(&filesystem);
        }
        document.insert(entry)?;
        added.push(finding.mountpoint.clone());
    }
    Ok(added)
}

/// The registered mountpoints that ought to be there and are not, with what is there instead. A stuck one is
/// there: the prober tells of it.
pub fn absent(document: &Document, presence: impl Fn(&Path) -> Presence) -> Vec<(PathBuf, Presence)> {
    let online =
        document.entries().filter(|entry| entry.state == State::Online && !entry.pattern.is_wildcard());
    let observed = online.map(|entry| (entry.pattern.path().to_path_buf(), presence(entry.pattern.path())));
    observed
        .filter(|(_, presence)| !matches!(presence, Presence::Mounted | Presence::Idle | Presence::Stuck))
        .collect()
}

/// How the keys of warnings begin that are about absent mountpoints.
pub(super) const ABSENT: &str = "absent ";

/// The key of the warning that a mountpoint is absent.
pub(super) fn absence(mountpoint: &Path) -> String {
    format!("{ABSENT}{}", quoted(mountpoint))
}

/// Something to warn of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A registered mountpoint is not there as it ought to be.
    Absent(PathBuf, Presence),
    /// A mountpoint that mail would rely on was never seen mounted, though it should be.
    Unseen(PathBuf, Expected),
    /// Protocols open mail without the plugin.
    Unguarded(Vec<String>),
    /// A mail process would refuse everything: it cannot read what it needs.
    Blind(String),
    /// Places for mail are named that cannot be any.
    Unusable {
        /// What is wrong with the first.
        first: String,
        /// How many there are.
        count: u64,
    },
}

impl Warning {
    /// What makes it the same warning as another: the kind and the subject, not what is observed of it, in one
    /// line.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Warning::Absent(path, _) => absence(path),
            Warning::Unseen(path, _) => format!("unseen {}", quoted(path)),
            Warning::Unguarded(protocols) => format!("unguarded {}", protocols.join(" ")),
            Warning::Blind(_) => "blind".to_owned(),
            Warning::Unusable { first, .. } => format!("unusable {first:?}"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Absent(path, presence) => write!(
                f,
                "{path:?} ought to be mounted, but is {presence}; mount it, or if it is gone for good: \
                 mountguard remove {path:?}"
            ),
            Warning::Unseen(path, expected) => write!(
                f,
                "{path:?} is where mail would lie and is listed in {expected}, but was never seen mounted, so that \
                 nothing guards it; mount it and run this again, or: mountguard add --not-mounted {path:?}"
            ),
            Warning::Unguarded(protocols) => write!(
                f,
                "without the plugin mount_guard, mail is opened by: {}; add it to mail_plugins there",
                protocols.join(", ")
            ),
            Warning::Unusable { first, count: 1 } => write!(f, "{first}; correct it"),
            Warning::Unusable { first, count } => {
                write!(f, "{first}; correct it, and {} more such places for mail", count - 1)
            }
            Warning::Blind(why) => write!(f, "{why}; every access to mail would be refused"),
        }
    }
}
