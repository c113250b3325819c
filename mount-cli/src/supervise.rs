//! Runs a command as if it had been started in our stead.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};

use mount_core::{Error, ErrorKind};
use nix::libc::SI_KERNEL;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;

use crate::console::Console;
use crate::failure::{Failure, exit};

/// Signals that are meant for the command when they are sent to us.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

/// Runs the command to its end; returns its exit code, or 128 and the number of the signal that killed it.
pub(crate) fn run(program: &OsStr, arguments: &[OsString], console: &mut Console) -> Result<u8, Failure> {
    // Blocked and read one by one, since a signal handler would be `unsafe`. `Command` unblocks them in the child.
    let mut watched: SigSet = PASSED_ON.into_iter().collect();
    watched.add(Signal::SIGCHLD);
    watched.thread_block().map_err(|errno| failed("block signals", errno.into()))?;
    let signals = SignalFd::new(&watched).map_err(|errno| failed("signalfd", errno.into()))?;

    let mut child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(cause) => {
            let missing = cause.kind() == io::ErrorKind::NotFound;
            console.say(format_args!("run {program:?}: {cause}; name a command that can be run"));
            return Ok(if missing { exit::NO_SUCH_COMMAND } else { exit::CANNOT_RUN });
        }
    };
    let status = wait(&mut child, &signals).map_err(|cause| failed("wait for the command", cause))?;
    Ok(code_of(status))
}

fn wait(child: &mut Child, signals: &SignalFd) -> io::Result<ExitStatus> {
    let process = i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let Some(received) = signals.read_signal()? else { continue };
        let signal = i32::try_from(received.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
        // What the terminal sends (^C), the command has received as well.
        let from_terminal = received.ssi_code == SI_KERNEL;
        if let Some(signal) = signal.filter(|signal| *signal != Signal::SIGCHLD && !from_terminal) {
            kill(process, signal)?;
        }
    }
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::IO)
}

fn failed(what: &str, cause: io::Error) -> Failure {
    Failure::Error(Error::new(ErrorKind::Io, format!("{what}: {cause}")))
}
