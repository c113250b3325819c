//! The mounts of one table that mail relies on.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::candidate::{Candidate, Origin};
use super::exclusion::{Exclusion, mountpoint};
use super::expected::Expected;
use super::reach::Reach;
use crate::error::path_buf;
use crate::filesystem::Filesystem;
use crate::operation::Role;
use crate::path;
use crate::table::{Mount, MountTable};

/// Finds the mountpoints that candidates concern, one candidate after the other: what it remembers grows with the
/// mount table, not with the number of candidates.
///
/// ```
/// use mount_core::discovery::{Candidate, Survey};
/// use mount_core::table::MountTable;
/// use std::path::Path;
///
/// let table = MountTable::parse(b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /srv/mail rw - xfs /dev/sdb1 rw\n")?;
/// let mut survey = Survey::new(&table);
/// let lies_on = survey.look(&Candidate::named(Path::new("/srv/mail/example.org"))?);
/// assert_eq!(lies_on.as_deref(), Some(Path::new("/srv/mail")));
/// assert_eq!(survey.findings()[0].mountpoint, Path::new("/srv/mail"));
/// # Ok::<(), mount_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Survey<'a> {
    table: &'a MountTable,
    /// By mountpoint, the mounts that a walk arrives at: neither covered nor shadowed.
    visible: HashMap<&'a [u8], &'a Mount>,
    expected: HashMap<&'a [u8], &'a Expected>,
    homes: Vec<Reach>,
    found: BTreeMap<Vec<u8>, Finding>,
}

/// A mountpoint that mail relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The mountpoint.
    pub mountpoint: PathBuf,
    /// What is to be found there.
    pub sight: Sight,
    /// What mail keeps there.
    pub role: Role,
    /// Who says so: the first who did.
    pub origin: Origin,
}

/// What the mount table says of a mountpoint that mail relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// A filesystem, and why it is none of mail's, if it isn't. Without filesystem an automount that waits.
    Mounted(Option<Filesystem>, Option<Exclusion>),
    /// Nothing, though the system's configuration says that there should be.
    Expected(Expected),
}

impl<'a> Survey<'a> {
    /// A survey of a table.
    #[must_use]
    pub fn new(table: &'a MountTable) -> Self {
        let arrived = table.mounts().iter().filter_map(|mount| {
            let located = table.locate(&mount.mountpoint).filter(|located| located.is_root)?;
            Some((mount.mountpoint.as_slice(), located.mount))
        });
        Survey {
            table,
            visible: arrived.collect(),
            expected: HashMap::new(),
            homes: Vec::new(),
            found: BTreeMap::new(),
        }
    }

    /// The same, telling too which of these mountpoints mail would rely on, if they were mounted.
    #[must_use]
    pub fn expecting(self, expected: &'a [Expected]) -> Self {
        let expected = expected.iter().map(|expected| (expected.mountpoint(), expected));
        Survey { expected: expected.filter(|(path, _)| !self.visible.contains_key(path)).collect(), ..self }
    }

    /// Lets nothing be found below these homes from here on. Homes that are one directory for all users are not
    /// meant: no user mounts anything there.
    pub fn spare_homes(&mut self, homes: impl IntoIterator<Item = Reach>) {
        self.homes.extend(homes.into_iter().filter(Reach::is_pattern));
    }

    /// Takes note of the mounts that a candidate concerns: those at or above its fixed beginning, `/` excepted, and
    /// those below it that its patterns lead to. Returns the mountpoint that the beginning lies on, unless it is `/`.
    pub fn look(&mut self, candidate: &Candidate) -> Option<PathBuf> {
        let beginning = candidate.reach.beginning().as_os_str().as_encoded_bytes();
        let on = path::prefix_ends(beginning).filter(|end| self.note(&beginning[..*end], candidate)).last();
        if candidate.reach.is_pattern() {
            self.look_below(candidate);
        }
        on.map(|end| path_buf(&beginning[..end]))
    }

    fn look_below(&mut self, candidate: &Candidate) {
        let below = |at: &&&[u8]| {
            **at != b"/"
                && candidate.reach.leads_through(at)
                && !self.homes.iter().any(|homes| homes.encloses(at))
        };
        let mountpoints = self.visible.keys().chain(self.expected.keys());
        for at in mountpoints.filter(below).copied().collect::<Vec<_>>() {
            self.note(at, candidate);
        }
    }

    /// Takes note of every mount that could hold mail for all the table tells.
    pub fn look_at_all(&mut self) {
        for mount in plausible(self.table) {
            let sight = Sight::Mounted(filesystem(mount), None);
            self.found.entry(mount.mountpoint.clone()).or_insert_with(|| Finding {
                mountpoint: mountpoint(mount).to_path_buf(),
                sight,
                role: Role::Mail,
                origin: Origin::Table,
            });
        }
    }

    /// What was found, by path.
    #[must_use]
    pub fn findings(self) -> Vec<Finding> {
        self.found.into_values().collect()
    }

    /// Takes note of what is or should be mounted there; false when that is nothing.
    fn note(&mut self, at: &[u8], candidate: &Candidate) -> bool {
        if self.found.contains_key(at) {
            return true;
        }
        let sight = match (self.visible.get(at), self.expected.get(at)) {
            (Some(mount), _) => Sight::Mounted(filesystem(mount), Exclusion::of(self.table, mount)),
            (None, Some(expected)) => Sight::Expected((*expected).clone()),
            (None, None) => return false,
        };
        let (role, origin) = (candidate.role, candidate.origin.clone());
        self.found.insert(at.to_vec(), Finding { mountpoint: path_buf(at), sight, role, origin });
        true
    }
}

/// What is mounted; of an automount that waits, nothing can be said yet.
fn filesystem(mount: &Mount) -> Option<Filesystem> {
    Some(Filesystem::of_mount(mount)).filter(|found| !found.is_automount())
}

/// The visible mounts that may hold mail though no mail path says so.
pub(super) fn plausible(table: &MountTable) -> impl Iterator<Item = &Mount> {
    table.mounts().iter().filter(|mount| {
        let arrived = table.locate(&mount.mountpoint);
        let visible = arrived.is_some_and(|found| found.is_root && std::ptr::eq(found.mount, *mount));
        visible && mount.mountpoint != b"/" && Exclusion::without_a_mail_path(table, mount).is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /srv rw - ext4 /dev/sda2 rw
3 2 8:3 / /srv/mail rw - xfs /dev/sdb1 rw
4 3 8:4 / /srv/mail/example.org rw - xfs /dev/sdc1 rw
5 4 8:5 / /srv/mail/example.org/bob rw - xfs /dev/sdd1 rw
6 5 8:6 / /srv/mail/example.org/bob/mnt rw - ext4 /dev/sde1 rw
7 2 8:7 / /srv/mailbox rw - ext4 /dev/sdf1 rw
8 1 8:8 / /opt rw - ext4 /dev/sdg1 rw
";

    fn found(table: &str, setting: &str, homes: &[&str]) -> Vec<String> {
        let table = MountTable::parse(table.as_bytes()).expect("a mount table");
        let homes = homes.iter().map(|home| Reach::of_setting(home.as_bytes()).expect("a home"));
        let mut survey = Survey::new(&table);
        survey.spare_homes(homes);
        let origin = Origin::Setting("mail_location".to_owned());
        for candidate in Candidate::of_location(setting.as_bytes(), &origin).expect("a location") {
            survey.look(&candidate);
        }
        survey.findings().iter().map(|finding| finding.mountpoint.display().to_string()).collect()
    }

    #[test]
    fn mounts_above_the_beginning_and_within_the_patterns_are_mails() {
        let expected = ["/srv", "/srv/mail", "/srv/mail/example.org", "/srv/mail/example.org/bob"];
        assert_eq!(found(TABLE, "sdbox:/srv/mail/%d/%n", &[]), expected);
        assert_eq!(found(TABLE, "sdbox:/srv/mail/%u", &[]), expected[..3]);
        assert_eq!(found(TABLE, "sdbox:/srv/mail/all", &[]), expected[..2]);
    }

    #[test]
    fn root_is_never_found_even_where_a_pattern_begins_there() {
        assert_eq!(found(TABLE, "sdbox:/%u", &[]), ["/opt", "/srv"]);
        assert_eq!(found(TABLE, "sdbox:/var/mail/%u", &[]), [""; 0]);
    }

    #[test]
    fn nothing_below_homes_is_found_though_a_pattern_leads_there() {
        let location = "sdbox:/srv/mail/%d/%n/%s";
        assert_eq!(found(TABLE, location, &[]).len(), 5);
        assert_eq!(found(TABLE, location, &["/srv/mail/%d/%n"]).len(), 4);
        assert_eq!(found(TABLE, location, &["/srv/mail"]).len(), 5, "one home for all is nobody's own");
    }

    #[test]
    fn shadowed_and_covered_mounts_are_not_found() {
        let over = format!("{TABLE}9 2 0:9 / /srv/mail rw - tmpfs none rw\n");
        assert_eq!(found(&over, "sdbox:/srv/mail/%d/%n", &[]), ["/srv", "/srv/mail"]);
    }

    #[test]
    fn expected_mount_is_told_where_mail_would_rely_on_it() {
        let table = MountTable::parse(TABLE.as_bytes()).expect("a mount table");
        let fstab =
            b"UUID=1 /srv/mail/b.org xfs defaults 0 2\nUUID=2 /srv/mail xfs defaults 0 2\nUUID=3 /data xfs";
        let expected = Expected::in_fstab(fstab);
        let mut survey = Survey::new(&table).expecting(&expected);
        let origin = Origin::Setting("mail_location".to_owned());
        for candidate in Candidate::of_location(b"sdbox:/srv/mail/%d/%n", &origin).expect("a location") {
            survey.look(&candidate);
        }
        let unseen: Vec<PathBuf> = survey
            .findings()
            .into_iter()
            .filter(|finding| matches!(finding.sight, Sight::Expected(_)))
            .map(|finding| finding.mountpoint)
            .collect();
        assert_eq!(unseen, [PathBuf::from("/srv/mail/b.org")]);
    }
}
