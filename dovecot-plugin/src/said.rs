//! What was logged already, so that an outage is one line a process and not one a mail.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mount_core::Operation;

use crate::judge::READ_ONLY;

/// Remembers the refusals in force: which mountpoint refuses, why, and which paths it was met by.
///
/// Empty while all is well, which is what makes the permitted case cheap.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// The reason last logged for a mountpoint.
    reasons: HashMap<PathBuf, String>,
    /// The mountpoint that last refused a path.
    met_by: HashMap<PathBuf, PathBuf>,
}

impl Said {
    /// True when this refusal is news: a mountpoint that permitted before, or refuses for another
    /// reason now.
    pub(crate) fn is_news(&mut self, path: &Path, mountpoint: &Path, reason: &str) -> bool {
        if self.met_by.get(path).map(PathBuf::as_path) != Some(mountpoint) {
            self.met_by.insert(path.to_owned(), mountpoint.to_owned());
        }
        if self.reasons.get(mountpoint).map(String::as_str) == Some(reason) {
            return false;
        }
        self.reasons.insert(mountpoint.to_owned(), reason.to_owned());
        true
    }

    /// Nothing is refused any more.
    pub(crate) fn all_permitted(&mut self) {
        self.reasons.clear();
        self.met_by.clear();
    }

    /// The path is permitted, so whatever refused it before has ended; what refuses writing only is not ended by reading.
    pub(crate) fn permitted(&mut self, path: &Path, operation: Operation) {
        if self.met_by.is_empty() {
            return;
        }
        let reason = self.met_by.get(path).and_then(|mountpoint| self.reasons.get(mountpoint));
        if !operation.writes() && reason.is_some_and(|reason| reason == READ_ONLY) {
            return;
        }
        if let Some(mountpoint) = self.met_by.remove(path) {
            self.reasons.remove(&mountpoint);
            self.met_by.retain(|_, other| *other != mountpoint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(said: &mut Said, path: &str, reason: &str) -> bool {
        said.is_news(Path::new(path), Path::new("/srv/mail"), reason)
    }

    #[test]
    fn one_outage_is_one_line_whatever_paths_meet_it() {
        let mut said = Said::default();
        assert!(news(&mut said, "/srv/mail/bob", "not-mounted"));
        assert!(!news(&mut said, "/srv/mail/bob", "not-mounted"));
        assert!(!news(&mut said, "/srv/mail/alice", "not-mounted"));
    }

    #[test]
    fn another_reason_is_news() {
        let mut said = Said::default();
        assert!(news(&mut said, "/srv/mail/bob", "not-mounted"));
        assert!(news(&mut said, "/srv/mail/bob", "offline"));
    }

    #[test]
    fn second_outage_is_news_again_after_a_permit() {
        let mut said = Said::default();
        assert!(news(&mut said, "/srv/mail/bob", "not-mounted"));
        assert!(!news(&mut said, "/srv/mail/alice", "not-mounted"));
        said.permitted(Path::new("/srv/mail/alice"), Operation::Open);
        assert!(news(&mut said, "/srv/mail/bob", "not-mounted"));
    }

    #[test]
    fn permit_of_an_unrelated_path_ends_nothing() {
        let mut said = Said::default();
        assert!(news(&mut said, "/srv/mail/bob", "not-mounted"));
        said.permitted(Path::new("/home/bob"), Operation::Open);
        assert!(!news(&mut said, "/srv/mail/bob", "not-mounted"));
    }
    #[test]
    fn reading_does_not_end_what_refuses_writing_only() {
        let mut said = Said::default();
        assert!(news(&mut said, "/srv/mail/bob", READ_ONLY));
        said.permitted(Path::new("/srv/mail/bob"), Operation::Open);
        assert!(!news(&mut said, "/srv/mail/bob", READ_ONLY));
        said.permitted(Path::new("/srv/mail/bob"), Operation::Deliver);
        assert!(news(&mut said, "/srv/mail/bob", READ_ONLY));
    }
}
