//! Exact numbers of instructions: a process is run step by step, its system calls being those of the kernel it runs on.
//!
//! callgrind counts quicker, but is a kernel of its own: it knows neither `openat2` nor `statmount`, so that a program
//! that falls back on other calls without these takes another way.

use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

const PATIENCE: Duration = Duration::from_secs(120);

/// Instructions in user space that a waiting process takes for the work that it is given, until it waits again.
pub(crate) fn count(process: Pid, work: impl FnOnce()) -> u64 {
    let (taken, done, ready) = (&AtomicU64::new(0), &AtomicBool::new(false), &Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            ptrace::seize(process, ptrace::Options::empty()).expect("trace the process");
            ready.wait();
            step(process, taken, done).expect("step through the process");
        });
        ready.wait();
        kill(process, Signal::SIGCONT).expect("wake the process");
        await_waiting(process, taken);
        let before = taken.load(Ordering::SeqCst);
        work();
        await_waiting(process, taken);
        let count = taken.load(Ordering::SeqCst) - before;
        done.store(true, Ordering::SeqCst);
        kill(process, Signal::SIGCONT).expect("wake the process");
        count
    })
}

/// Steps until it is done. A signal, which the process does not get, wakes it from what it waits for.
fn step(process: Pid, taken: &AtomicU64, done: &AtomicBool) -> nix::Result<()> {
    let mut before = 0;
    loop {
        let signal = match waitpid(process, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Stopped(_, Signal::SIGCONT) if done.load(Ordering::SeqCst) => {
                return ptrace::detach(process, None);
            }
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                // An instruction that repeats itself, as for filling memory, is stepped through byte by byte.
                let next = ptrace::getregs(process)?.rip;
                taken.fetch_add(u64::from(next != before), Ordering::SeqCst);
                before = next;
                None
            }
            WaitStatus::Stopped(_, Signal::SIGCONT) | WaitStatus::PtraceEvent(..) => None,
            WaitStatus::Stopped(_, signal) => Some(signal),
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Err(Errno::ESRCH),
            _ => None,
        };
        ptrace::step(process, signal)?;
    }
}

/// Waits until the process sleeps and no step is taken any more.
fn await_waiting(process: Pid, taken: &AtomicU64) {
    let deadline = Instant::now() + PATIENCE;
    let mut quiet = 0;
    let mut before = u64::MAX;
    while quiet < 5 {
        assert!(Instant::now() < deadline, "process {process} does not come to rest");
        std::thread::sleep(Duration::from_millis(1));
        let now = taken.load(Ordering::SeqCst);
        quiet = if now == before && sleeps(process) { quiet + 1 } else { 0 };
        before = now;
    }
}

fn sleeps(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process is there");
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
}
