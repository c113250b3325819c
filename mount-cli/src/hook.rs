//! A command that is run for each change, one after the other.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::console::Console;

/// So many changes wait for a command that takes its time; then the oldest are left out.
const WAITING_MAX: usize = 1000;

/// What is told to the command, by environment variables.
pub(crate) type Environment = Vec<(&'static str, OsString)>;

/// The command, and the changes that it is still to be told of.
pub(crate) struct Hook<'a> {
    command: Option<&'a OsStr>,
    waiting: VecDeque<Environment>,
    running: Option<Pid>,
    left_out: u64,
}

impl<'a> Hook<'a> {
    pub(crate) fn new(command: Option<&'a OsStr>) -> Self {
        Hook { command, waiting: VecDeque::new(), running: None, left_out: 0 }
    }

    /// Has the command told of a change in its turn.
    pub(crate) fn tell(&mut self, environment: Environment) {
        if self.command.is_none() {
            return;
        }
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
            self.left_out += 1;
        }
        self.waiting.push_back(environment);
    }

    /// Starts the next run when the one before has ended.
    pub(crate) fn advance(&mut self, console: &mut Console) {
        let Some(command) = self.command else { return };
        while self.running.is_none() {
            let Some(environment) = self.waiting.pop_front() else { return };
            match start(command, environment) {
                Ok(process) => self.running = Some(process),
                Err(cause) => console.say(format_args!("run {command:?}: {cause}")),
            }
        }
        if self.left_out > 0 {
            console
                .say(format_args!("{command:?} is too slow: {} changes were not told to it", self.left_out));
            self.left_out = 0;
        }
    }

    /// Reaps all children that have ended, those that asked filesystems too.
    pub(crate) fn reap(&mut self, console: &mut Console) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return,
                Ok(status) if status.pid().is_some() && status.pid() == self.running => {
                    self.running = None;
                    if !matches!(status, WaitStatus::Exited(_, 0)) {
                        console
                            .say(format_args!("{:?} failed: {status:?}", self.command.unwrap_or_default()));
                    }
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// Standard output is this command's own, for data; what the other one writes goes to the diagnosis.
fn start(command: &OsStr, environment: Environment) -> io::Result<Pid> {
    let stderr = io::stderr();
    let output = std::os::fd::AsFd::as_fd(&stderr).try_clone_to_owned()?;
    let child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(output)
        .spawn()?;
    i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)
}
