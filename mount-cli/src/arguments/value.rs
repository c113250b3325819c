//! From words to values.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use mount_core::Error;
use nix::unistd::{Gid, Group, Uid, User};

use crate::failure::Failure;

/// A path that means the same in every working directory, and that the kernel takes.
pub(super) fn absolute(word: &OsStr) -> Result<PathBuf, Failure> {
    let refuse = |why: &str| Err(Failure::Usage(format!("path {word:?} {why}")));
    if word.is_empty() {
        return refuse("is empty; name an absolute path");
    }
    if !Path::new(word).is_absolute() {
        return refuse("is relative; name it from / on");
    }
    if word.len() > nix::libc::PATH_MAX as usize - 1 {
        let beginning = OsStr::from_bytes(&word.as_bytes()[..32]);
        let why = "is longer than the 4095 bytes that the kernel takes; name a shorter one";
        return Err(Failure::Usage(format!("path {beginning:?}... {why}")));
    }
    Ok(word.into())
}

/// A word of one of the library's lists.
pub(super) fn word<T: FromStr<Err = Error>>(value: &OsStr) -> Result<T, Failure> {
    Ok(value.to_string_lossy().parse::<T>()?)
}

/// A year: far more than anybody waits for, and a moment so far ahead can still be told.
const LONGEST: f64 = 365.0 * 24.0 * 3600.0;

pub(super) fn seconds(value: &OsStr) -> Result<Duration, Failure> {
    let seconds = value.to_str().and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| {
        Failure::Usage(format!("{value:?} is no number of seconds above 0 and of at most a year"))
    })
}

pub(super) fn number(value: &OsStr) -> Result<u32, Failure> {
    let number = value.to_str().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| Failure::Usage(format!("{value:?} is no process id; give a number above 0")))
}

pub(super) fn mode(value: &OsStr) -> Result<u32, Failure> {
    let bits =
        value.to_str().and_then(|text| u32::from_str_radix(text, 8).ok()).filter(|bits| *bits <= 0o7777);
    bits.ok_or_else(|| Failure::Usage(format!("mode {value:?} is not octal permission bits, such as 0700")))
}

/// `user`, `user:group`, names or numbers; the user's own group unless another is given.
pub(super) fn owner(text: &str) -> Result<(Uid, Gid), Failure> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let by_number = || user.parse().ok().map(Uid::from_raw);
    let known = User::from_name(user).ok().flatten();
    let known = known.or_else(|| by_number().and_then(|uid| User::from_uid(uid).ok().flatten()));
    let uid = known.as_ref().map(|user| user.uid).or_else(by_number);
    let uid = uid.ok_or_else(|| unknown("user", user))?;
    let gid = match group {
        Some(group) => self::group(group)?,
        None => known.map(|user| user.gid).ok_or_else(|| {
            Failure::Usage(format!("user {user:?} has no group on this system; give one, as in {user}:100"))
        })?,
    };
    Ok((uid, gid))
}

fn group(name: &str) -> Result<Gid, Failure> {
    let known = Group::from_name(name).ok().flatten().map(|group| group.gid);
    known.or_else(|| name.parse().ok().map(Gid::from_raw)).ok_or_else(|| unknown("group", name))
}

fn unknown(what: &str, name: &str) -> Failure {
    Failure::Usage(format!(
        "{what} {name:?} does not exist on this system; name one that does, or its number"
    ))
}
