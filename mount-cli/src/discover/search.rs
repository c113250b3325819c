//! From source to source: who says that mail lies somewhere.

use std::path::{Path, PathBuf};

use mount_core::discovery::{Buttons, Candidate, Configuration, Origin, Reach, Survey, as_written};
use mount_core::table::MountTable;
use mount_core::{Error, ErrorKind, Mounts, Role, WhenMissing};

use super::dovecot::Dovecot;
use crate::arguments::{Discover, View};
use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::session::Session;

/// Goes from source to source.
pub(super) struct Search<'a> {
    session: &'a Session<'a>,
    request: &'a Discover,
    pub survey: Survey<'a>,
    /// For symlinks; `None` where there is nothing to resolve them with.
    mounts: Option<Mounts>,
    pub configuration: Configuration,
    pub unusable: Unusable,
    /// The places that were looked at, but for those of users, which may be a million; and what they lie on.
    pub places: Vec<(Candidate, Option<PathBuf>)>,
    /// What the command ends with: that of the first source that failed.
    pub code: u8,
}

/// Places that cannot be used: the first, and how many.
#[derive(Default)]
pub(super) struct Unusable {
    pub first: Option<Error>,
    pub count: u64,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        session: &'a Session<'a>,
        request: &'a Discover,
        survey: Survey<'a>,
    ) -> Result<Self, Failure> {
        let directories = &session.settings.directories;
        let mounts = match session.settings.view {
            View::Own => Some(Mounts::open(directories, WhenMissing::NothingRegistered)?),
            View::Process(_) | View::Recorded(_) => None,
        };
        let (configuration, unusable) = (Configuration::default(), Unusable::default());
        Ok(Search {
            session,
            request,
            survey,
            mounts,
            configuration,
            unusable,
            places: Vec::new(),
            code: exit::OK,
        })
    }

    pub(super) fn everywhere(&mut self, table: &MountTable, console: &mut Console) {
        for path in &self.request.mail_paths {
            self.look(Candidate::named(path));
        }
        if let Err(error) = self.in_dovecot() {
            self.code = console.report(&Failure::from(error));
        }
        if self.session.settings.view == View::Own {
            for mountpoint in Buttons::new(&self.session.settings.directories.run).pressed(table) {
                let reach = Reach::of_directory(&mountpoint);
                self.look(reach.map(|reach| Candidate { reach, role: Role::Mail, origin: Origin::Use }));
            }
        }
        if self.request.all {
            self.survey.look_at_all();
        }
    }

    fn in_dovecot(&mut self) -> Result<(), Error> {
        let (configuration, patience) =
            (self.request.configuration.as_deref(), self.session.settings.timeout);
        let dovecot = Dovecot { configuration, patience };
        let found = match dovecot.configuration() {
            // Another server's stores were named, so that there may well be no Dovecot.
            Err(error) if error.kind() == ErrorKind::NotRegistered && self.has_other_sources() => {
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::NotRegistered => {
                let hint = "without Dovecot, say where mail lies with --mail-path";
                return Err(Error::new(ErrorKind::Data, format!("{error}; {hint}")));
            }
            other => other?,
        };
        self.survey.spare_homes(found.homes());
        for candidate in found.candidates() {
            self.look(candidate);
        }
        self.configuration = found.clone();
        dovecot.users(&found, |candidate| self.look(candidate))
    }

    fn has_other_sources(&self) -> bool {
        self.request.all || !self.request.mail_paths.is_empty()
    }

    fn look(&mut self, candidate: Result<Candidate, Error>) {
        let resolve = |path: &Path| match &self.mounts {
            Some(mounts) => mounts.resolve(path).map(|resolved| resolved.path),
            None => as_written(path),
        };
        match candidate.and_then(|candidate| candidate.resolved(resolve)) {
            Ok(found) => found.into_iter().for_each(|place| {
                let on = self.survey.look(&place);
                if !matches!(place.origin, Origin::User(_)) {
                    self.places.push((place, on));
                }
            }),
            Err(error) => {
                self.unusable.count += 1;
                self.unusable.first.get_or_insert(error);
            }
        }
    }
}
