//! Standard output, which is for data, and standard error, which is for diagnosis.

use std::fmt::Arguments;
use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;
use crate::output::{Format, Rows};

/// Where the command writes to.
pub(crate) struct Console {
    stdout: io::Stdout,
    stderr: io::Stderr,
}

impl Console {
    pub(crate) fn new() -> Self {
        Console { stdout: io::stdout(), stderr: io::stderr() }
    }

    /// One line of diagnosis. There is nobody to be told when not even that can be written.
    pub(crate) fn say(&mut self, text: Arguments<'_>) {
        let _ = writeln!(self.stderr, "mountguard: {text}");
    }

    /// Data, as the format says or the output suggests.
    pub(crate) fn show(&mut self, rows: &Rows, format: Option<Format>) -> Result<(), Failure> {
        let is_terminal = self.stdout.is_terminal();
        let format = format.unwrap_or(if is_terminal { Format::Table } else { Format::Tab });
        let colour = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        self.write(&rows.render(format, colour))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = self.stdout.lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::Output)
    }
}
