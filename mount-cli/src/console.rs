//! Standard output, which is for data, and standard error, which is for diagnosis.

use std::fmt::Arguments;
use std::io::{self, BufRead, IsTerminal, Write};

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

    /// What is wrong and what to do about it, as diagnosis; returns the exit code.
    pub(crate) fn report(&mut self, failure: &Failure) -> u8 {
        if let Some(text) = failure.text() {
            self.say(format_args!("{text}"));
        }
        failure.code()
    }

    /// Data, as the format says or the output suggests.
    pub(crate) fn show(&mut self, rows: &Rows, format: Option<Format>) -> Result<(), Failure> {
        let is_terminal = self.stdout.is_terminal();
        let format = format.unwrap_or(if is_terminal { Format::Table } else { Format::Tab });
        self.write(&rows.render(format, self.has_colour()))
    }

    /// Data as it comes: no columns are aligned with those of lines that are yet to come.
    pub(crate) fn stream(&mut self, rows: &Rows, format: Option<Format>) -> Result<(), Failure> {
        self.write(&rows.lines(format.unwrap_or(Format::Tab), self.has_colour()))
    }

    /// Whether whoever sits at the terminal agrees; `None` when nobody sits there.
    pub(crate) fn confirm(&mut self, question: &str) -> Option<bool> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !self.stderr.is_terminal() {
            return None;
        }
        let _ = write!(self.stderr, "{question} [y/N] ");
        let mut answer = String::new();
        let read = stdin.lock().read_line(&mut answer);
        Some(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    fn has_colour(&self) -> bool {
        self.stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = self.stdout.lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::Output)
    }
}
