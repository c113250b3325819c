//! One registered mountpoint.

use super::{Options, Pattern};
use crate::State;

/// A line of the registry that guards something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Which directories it is about.
    pub pattern: Pattern<'a>,
    /// What was said of them.
    pub state: State,
    /// What was recorded of them.
    pub options: Options<'a>,
}

impl<'a> Entry<'a> {
    /// An entry without options.
    #[must_use]
    pub fn new(pattern: Pattern<'a>, state: State) -> Self {
        Entry { pattern, state, options: Options::default() }
    }

    /// The same entry with bytes of its own.
    #[must_use]
    pub fn into_owned(self) -> Entry<'static> {
        let Entry { pattern, state, options } = self;
        Entry { pattern: pattern.into_owned(), state, options: options.into_owned() }
    }

    /// The line of the file, without its newline.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut line = Vec::from(self.state.as_str());
        line.push(b' ');
        self.pattern.encode(&mut line);
        if !self.options.as_text().is_empty() {
            line.push(b'\t');
            line.extend_from_slice(self.options.as_text());
        }
        line
    }
}
