//! Programs that say something line by line, and that may neither hang nor fill the memory.
//!
//! What they say goes to a file and is read from there: nobody who reads slowly can hold them up. Dovecot 2.3, for
//! one, can stop for a minute in the middle of a list of users that is not taken from it at once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use mount_core::{Error, ErrorKind};

/// Longer lines are cut off: no path is as long.
const LINE_MAX: u64 = 64 << 10;

/// As much of what a program complains of is kept.
const COMPLAINT_MAX: u64 = 4 << 10;

/// Runs a program and hands over its standard output line by line, without the newlines, once it has ended.
///
/// # Errors
/// [`ErrorKind::NotRegistered`] when there is no such program, [`ErrorKind::Io`] when it cannot be run.
/// [`ErrorKind::Temporary`] when nothing came from it for longer than `patience`; then it is killed.
/// [`ErrorKind::Data`] when it failed, with the first line of what it complained of. What had come by then was
/// handed over.
pub(super) fn lines(mut command: Command, patience: Duration, each: impl FnMut(&[u8])) -> Result<(), Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed =
        |cause: io::Error| Error::syscall("keep what a program says in", &std::env::temp_dir(), cause);
    let output = tempfile::tempfile().map_err(failed)?;
    command.stdin(Stdio::null()).stdout(output.try_clone().map_err(failed)?).stderr(Stdio::piped());
    let outcome = run(&mut command, &name, patience, &output);
    hand_over(output, each).map_err(failed)?;
    outcome
}

/// Runs a program to its end, or to its death when its output doesn't grow.
fn run(command: &mut Command, name: &str, patience: Duration, output: &File) -> Result<(), Error> {
    let cannot = |cause: io::Error| {
        let is_missing = cause.kind() == io::ErrorKind::NotFound;
        let kind = if is_missing { ErrorKind::NotRegistered } else { ErrorKind::Io };
        Error::new(kind, format!("{name} cannot be run: {cause}"))
    };
    let mut child = command.spawn().map_err(cannot)?;
    let (sender, ended) = sync_channel(1);
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || sender.send(complaint(stderr)));
    }
    let mut size = 0;
    let complaint = loop {
        match ended.recv_timeout(patience) {
            Ok(complaint) => break complaint,
            Err(RecvTimeoutError::Disconnected) => break String::new(),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let grown = output.metadata().map_or(0, |now| now.len());
        if grown == size {
            let _ = child.kill().and_then(|()| child.wait());
            let text = format!("{name} said nothing for {} s", patience.as_secs_f32());
            return Err(Error::new(ErrorKind::Temporary, text));
        }
        size = grown;
    };
    let status = child.wait().map_err(cannot)?;
    if status.success() {
        return Ok(());
    }
    let said = if complaint.is_empty() { status.to_string() } else { complaint };
    Err(Error::new(ErrorKind::Data, format!("{name} failed: {said}")))
}

fn hand_over(mut output: File, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    output.rewind()?;
    let (mut output, mut line) = (BufReader::new(output), Vec::new());
    while output.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? > 0 {
        if line.last() == Some(&b'\n') {
            line.pop();
        } else {
            output.skip_until(b'\n')?;
        }
        each(&line);
        line.clear();
    }
    Ok(())
}

/// The first line that says something, once all has been said: the end of it is the end of the program.
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
