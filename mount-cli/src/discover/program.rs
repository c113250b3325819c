//! Programs whose output is read line by line, and which may neither hang nor fill the memory.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use mount_core::{Error, ErrorKind};

/// Longer lines are cut off: no path is as long.
const LINE_MAX: u64 = 64 << 10;

/// As much of what a program complains of is kept.
const COMPLAINT_MAX: u64 = 4 << 10;

/// Lines that may wait between program and reader. A program that is faster has to wait itself.
const WAITING: usize = 256;

/// Runs a program and hands over its standard output line by line, without the newlines.
///
/// # Errors
/// [`ErrorKind::NotRegistered`] when there is no such program, [`ErrorKind::Io`] when it cannot be run.
/// [`ErrorKind::Temporary`] when nothing came from it for longer than `patience`; then it is killed.
/// [`ErrorKind::Data`] when it failed, with the first line of what it complained of. What had come by then was
/// handed over.
pub(super) fn lines(
    mut command: Command,
    patience: Duration,
    mut each: impl FnMut(&[u8]),
) -> Result<(), Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|cause| cannot_run(&name, &cause))?;
    let complaint = child.stderr.take().map(|stderr| thread::spawn(|| complaint(stderr)));
    let (sender, receiver) = sync_channel(WAITING);
    let reader =
        child.stdout.take().map(|stdout| thread::spawn(move || forward(BufReader::new(stdout), &sender)));
    let outcome = receive(&receiver, patience, &mut each);
    if outcome.is_err() {
        let _ = child.kill();
    }
    // Or the reader would wait for a place in it.
    drop(receiver);
    let status = child.wait().map_err(|cause| cannot_run(&name, &cause))?;
    let complaint = complaint.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let _ = reader.map(thread::JoinHandle::join);
    if outcome.is_err() {
        let text = format!("{name} said nothing for {} s", patience.as_secs_f32());
        return Err(Error::new(ErrorKind::Temporary, text));
    }
    if status.success() {
        return Ok(());
    }
    let said = if complaint.is_empty() { status.to_string() } else { complaint };
    Err(Error::new(ErrorKind::Data, format!("{name} failed: {said}")))
}

fn cannot_run(name: &str, cause: &io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotRegistered,
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("{name} cannot be run: {cause}"))
}

fn receive(receiver: &Receiver<Vec<u8>>, patience: Duration, each: &mut impl FnMut(&[u8])) -> Result<(), ()> {
    loop {
        match receiver.recv_timeout(patience) {
            Ok(line) => each(&line),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => return Err(()),
        }
    }
}

fn forward(mut output: impl BufRead, sender: &SyncSender<Vec<u8>>) {
    loop {
        let mut line = Vec::new();
        match output.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if output.skip_until(b'\n').is_err() {
            return;
        }
        if sender.send(line).is_err() {
            return;
        }
    }
}

/// The first line that says something; all of it is read, so that nobody waits for a reader.
fn complaint(mut stderr: ChildStderr) -> String {
    let mut text = Vec::new();
    let _ = stderr.by_ref().take(COMPLAINT_MAX).read_to_end(&mut text);
    let _ = io::copy(&mut stderr, &mut io::sink());
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn collect(script: &str, patience: Duration) -> (Vec<Vec<u8>>, Result<(), Error>) {
        let mut found = Vec::new();
        let outcome = lines(shell(script), patience, |line| found.push(line.to_vec()));
        (found, outcome)
    }

    #[test]
    fn lines_are_handed_over_whatever_bytes_they_are_of() {
        let (found, outcome) = collect(r"printf 'a\n\377 b\n\nc'", LONG);
        outcome.expect("a program that succeeds");
        assert_eq!(found, [&b"a"[..], b"\xff b", b"", b"c"]);
    }

    #[test]
    fn failure_is_told_with_the_first_complaint_after_what_had_come() {
        let (found, outcome) = collect("echo a; echo 'no database' >&2; echo more >&2; exit 75", LONG);
        assert_eq!(found, [b"a"]);
        let error = outcome.expect_err("it failed");
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Data, "sh failed: no database"));
    }

    #[test]
    fn program_that_says_nothing_is_killed() {
        let (found, outcome) = collect("echo a; exec sleep 1000", Duration::from_millis(300));
        assert_eq!((found.len(), outcome.expect_err("silence").kind()), (1, ErrorKind::Temporary));
    }

    #[test]
    fn line_without_end_is_cut_off() {
        let (found, outcome) = collect("head -c 200000 /dev/zero | tr '\\0' x; echo; echo b", LONG);
        outcome.expect("a program that succeeds");
        let lengths: Vec<usize> = found.iter().map(Vec::len).collect();
        assert_eq!(lengths, [LINE_MAX as usize, 1]);
    }

    #[test]
    fn missing_program_is_told_apart() {
        let outcome = lines(Command::new("/nonexistent/doveconf"), LONG, |_| {});
        assert_eq!(outcome.expect_err("no such program").kind(), ErrorKind::NotRegistered);
    }
}
