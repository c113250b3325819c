//! The commands, one a file.

mod add;
mod audit;
mod check;
mod create;
mod exec;
mod remove;
mod state;
mod status;
mod watch;

use crate::arguments::{Command, Invocation};
use crate::console::Console;
use crate::discover;
use crate::failure::{Failure, exit};
use crate::help;
use crate::session::Session;

/// Does what was asked for; returns the exit code.
pub(crate) fn run(invocation: &Invocation, console: &mut Console) -> Result<u8, Failure> {
    let session = Session::new(&invocation.settings);
    match &invocation.command {
        Command::Help(name) => {
            console.write(help::text(*name).as_bytes())?;
            Ok(exit::OK)
        }
        Command::Version => {
            console.write(concat!("mountguard ", env!("CARGO_PKG_VERSION"), "\n").as_bytes())?;
            Ok(exit::OK)
        }
        Command::Add { path, state, recording } => add::run(&session, path, *state, *recording, console),
        Command::Remove { path } => remove::run(&session, path, console),
        Command::State { path, state, all } => state::run(&session, path.as_deref(), *state, *all, console),
        Command::Status { paths, all } => status::run(&session, paths, *all, console),
        Command::Check { operation, paths } => check::run(&session, *operation, paths, console),
        Command::Discover(request) => discover::run(&session, request, console),
        Command::Audit(request) => audit::run(&session, request, console),
        Command::Watch(request) => watch::run(&session, request, console),
        Command::CreateMaildir(create) => create::maildir(&session, create, console),
        Command::CreateMbox(create) => create::mbox(&session, create, console),
        Command::Exec { operation, paths, program, arguments } => {
            exec::run(&session, *operation, paths, program, arguments, console)
        }
    }
}
