//! `mountguard`: says which mountpoints ought to be mounted, and refuses what would go wrong while one is not.
//!
//! A thin skin over `mount-core`: this crate knows about words, terminals and exit codes.

mod arguments;
mod command;
mod console;
mod discover;
mod failure;
mod help;
mod hook;
mod namespace;
mod output;
mod pool;
mod registered;
mod reply;
mod session;
mod supervise;

use std::process::ExitCode;

use console::Console;

fn main() -> ExitCode {
    let mut console = Console::new();
    let outcome = mount_core::probe::keep_ended_children()
        .map_err(failure::Failure::from)
        .and_then(|()| arguments::parse(lexopt::Parser::from_env()))
        .and_then(|invocation| command::run(&invocation, &mut console));
    ExitCode::from(outcome.unwrap_or_else(|failure| console.report(&failure)))
}
