//! A registered mountpoint as the look-up and the verdict need it.

use std::borrow::Cow;

use crate::filesystem::Identity;
use crate::registry::{Content, Mode, Options, Pattern};
use crate::state::State;

/// One registered mountpoint.
#[derive(Debug, Clone)]
pub(crate) struct Registered {
    /// By a wildcard that speaks of it, not by its own path.
    pub by_wildcard: bool,
    pub state: State,
    /// Boxed: most mountpoints have none.
    pub identity: Option<Box<Identity>>,
    /// Read-write was recorded, so that read-only is a reason to refuse what writes.
    pub read_write: bool,
    /// The prober found that it does not answer.
    pub stuck: bool,
}

impl Registered {
    /// What a line of the registry registers, if anything.
    ///
    /// A line whose state is no word of ours, but whose path is in order, counts as online: somebody meant it to
    /// be guarded.
    pub(crate) fn of(content: &Content<'_>) -> Option<Registered> {
        match content {
            Content::Registered(entry) => Some(Self::new(&entry.pattern, entry.state, &entry.options)),
            Content::Unreadable { pattern: Some(pattern), .. } => {
                Some(Self::new(pattern, State::Online, &Options::default()))
            }
            Content::Unreadable { pattern: None, .. } | Content::Forgotten(_) | Content::Remark => None,
        }
    }

    fn new(pattern: &Pattern<'_>, state: State, options: &Options<'_>) -> Registered {
        Registered {
            by_wildcard: pattern.is_wildcard(),
            state,
            identity: options.identity_required().then(|| Box::new(Identity::of_options(options))),
            read_write: options.mode() == Some(Mode::ReadWrite),
            stuck: options.stuck().is_some(),
        }
    }
}

impl Identity {
    /// What a line of the registry recorded.
    #[must_use]
    pub fn of_options(options: &Options<'_>) -> Self {
        let get = |key| options.get(key).map(Cow::into_owned);
        Identity {
            fs_type: get(Options::FSTYPE),
            uuid: get(Options::UUID),
            source: get(Options::SOURCE),
            root: get(Options::ROOT),
        }
    }
}
