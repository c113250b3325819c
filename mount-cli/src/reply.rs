//! What a process that does the work on our behalf says of it, as bytes and back.

use std::time::Duration;

use mount_core::probe;
use mount_core::{Error, ErrorKind};

use crate::failure::{Failure, exit};

/// Values between processes: none holds a NUL, since paths and sentences don't.
pub(crate) type Values = Vec<Vec<u8>>;

/// Has work done by a process of its own, which may wait for a filesystem for good without keeping this one.
///
/// `what` is the work in a few words, for when there is no answer in time.
pub(crate) fn ask(
    patience: Duration,
    what: &str,
    work: impl FnOnce() -> Result<Values, Failure>,
) -> Result<Values, Failure> {
    match probe::ask(patience, || encode(work())) {
        Ok(answer) => decode(&answer),
        Err(error) if error.kind() == ErrorKind::Temporary => {
            let hint = "a filesystem that it needs is stuck; see which: mountguard status";
            Err(Error::new(ErrorKind::Temporary, format!("{what}: {error}; {hint}")).into())
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn encode(outcome: Result<Values, Failure>) -> Vec<u8> {
    let (code, values) = match outcome {
        Ok(values) => (exit::OK, values),
        Err(failure) => (failure.code(), vec![failure.text().unwrap_or_default().into_bytes()]),
    };
    let mut fields = vec![code.to_string().into_bytes()];
    fields.extend(values);
    fields.join(&0)
}

pub(crate) fn decode(answer: &[u8]) -> Result<Values, Failure> {
    let mut fields = answer.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let code = fields.next().and_then(|code| std::str::from_utf8(&code).ok()?.parse().ok());
    match code {
        Some(exit::OK) => Ok(fields.collect()),
        code => {
            let text = String::from_utf8_lossy(&fields.next().unwrap_or_default()).into_owned();
            Err(Failure::Told { code: code.unwrap_or(exit::IO), text })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::unusable;

    #[test]
    fn values_and_failures_come_back() {
        let values = vec![b"/srv/\xff".to_vec(), b"".to_vec(), b"7".to_vec()];
        assert_eq!(decode(&encode(Ok(values.clone()))).ok(), Some(values));
        let told = decode(&encode(Err(unusable("no good")))).expect_err("a failure");
        assert_eq!((told.code(), told.text().as_deref()), (exit::DATA, Some("no good")));
    }
}
