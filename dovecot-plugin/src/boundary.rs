//! The functions C calls. `c/guard.h` is the other side.
//!
//! Every entry checks for null, asks Rust once, and catches panics; whatever goes wrong is a refusal.
//! Strings are borrowed for the call, results are written into the caller's memory.

use std::cell::RefCell;
use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::slice::from_raw_parts;

use crate::guards::{Answer, Guards, refuse_unknown};
use crate::judge::Manner;
use crate::policy::{Deed, Format, Moment, role_from_number};
use crate::settings::{RawText, Settings};
use crate::words;
use mount_core::{Outside, Role};

/// The one value that permits; every other refuses.
const PERMITTED: u32 = 0x6d67;

/// The question is about an INBOX.
const FLAG_INBOX: u32 = 1;

/// Nothing is refused yet: a precaution.
const FLAG_QUIET: u32 = 2;

thread_local! {
    /// Dovecot's processes have one thread; what mount-core gives belongs to one.
    static GUARDS: RefCell<Guards> = RefCell::default();
}

/// `struct mount_guard_place`.
#[repr(C)]
pub struct Place {
    role: u32,
    path: *const c_char,
}

/// `struct mount_guard_question`.
#[repr(C)]
pub struct Question {
    guard: u32,
    moment: u32,
    format: u32,
    flags: u32,
    now: u64,
    places: *const Place,
    place_count: usize,
}

/// `struct mount_guard_result`.
#[repr(C)]
pub struct Outcome {
    answer: u32,
    reserved: u32,
    permit: u64,
    epoch: u64,
    assurance: u64,
    client: [u8; 512],
    log: [u8; 1536],
}

/// `struct mount_guard_settings`.
#[repr(C)]
pub struct RawSettings {
    state_dir: *const c_char,
    run_dir: *const c_char,
    mode: *const c_char,
    registry: *const c_char,
    message: *const c_char,
    chroot: *const c_char,
}

const _: () = assert!(size_of::<Place>() == 16 && size_of::<Question>() == 40);
const _: () = assert!(size_of::<Outcome>() == 2080 && size_of::<RawSettings>() == 48);

/// Keeps what leads outside, for a process that is going to change its root; to be called before it does.
#[unsafe(no_mangle)]
pub extern "C" fn mount_guard_keep_outside() {
    // Should it fail, whoever is in a chroot is refused, and told why.
    let keep = || with_guards(|guards| guards.keep_outside(Outside::open().ok()));
    let _ = catch_unwind(keep);
}

/// The guard for these settings; 0, which refuses everything, when there is none.
///
/// # Safety
/// `settings` is null or points to settings whose strings are each null or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mount_guard_open(settings: *const RawSettings) -> u32 {
    let open = || {
        // SAFETY: null or valid for the call, as this function demands of its caller.
        let raw = unsafe { settings.as_ref() }?;
        // SAFETY: each is null or NUL-terminated, as this function demands of its caller.
        let text = |string| unsafe { bytes(string) };
        let settings = Settings::parse(&RawText {
            state_dir: path(text(raw.state_dir)),
            run_dir: path(text(raw.run_dir)),
            mode: &String::from_utf8_lossy(text(raw.mode)),
            registry: &String::from_utf8_lossy(text(raw.registry)),
            message: &String::from_utf8_lossy(text(raw.message)),
            chroot: path(text(raw.chroot)),
        });
        Some(with_guards(|guards| guards.open(settings)))
    };
    catch_unwind(AssertUnwindSafe(open)).ok().flatten().unwrap_or(0)
}

/// The assurance that is in force: whatever was permitted with it still is. 0 when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn mount_guard_assurance(guard: u32, now: u64, at_once: u32) -> u64 {
    let ask = || with_guards(|guards| guards.assurance(guard, now, at_once != 0));
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or(0)
}

/// Tells root that a store lies in this directory. Never waits, and nobody learns whether it worked.
///
/// # Safety
/// `path` is null or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mount_guard_tell(guard: u32, now: u64, path: *const c_char) {
    // SAFETY: null or NUL-terminated, as this function demands of its caller.
    let path = Path::new(OsStr::from_bytes(unsafe { bytes(path) }));
    let tell = || with_guards(|guards| guards.tell(guard, now, path));
    // Whatever was to be told, the store is opened all the same.
    let _ = catch_unwind(AssertUnwindSafe(tell));
}

/// Whether the moment may go on.
///
/// # Safety
/// `result` is null or writable; `question` is null or as `guard.h` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mount_guard_judge(question: *const Question, result: *mut Outcome) {
    // SAFETY: both are null or valid, as this function demands of its caller.
    unsafe { answer_into(result, || ask(question, false)) }
}

/// Whether the moment may go on, holding the mounts until [`mount_guard_verify`].
///
/// # Safety
/// As for [`mount_guard_judge`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mount_guard_pin(question: *const Question, result: *mut Outcome) {
    // SAFETY: both are null or valid, as this function demands of its caller.
    unsafe { answer_into(result, || ask(question, true)) }
}

/// Whether what was pinned is still mounted where it was, looked at once a turn or, unless `at_once` is 0, in any case.
///
/// # Safety
/// `result` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mount_guard_still(permit: u64, now: u64, at_once: u32, result: *mut Outcome) {
    let still = || with_guards(|guards| guards.still(permit, now, at_once != 0));
    // SAFETY: null or writable, as this function demands of its caller.
    unsafe { answer_into(result, still) }
}

/// Whether what was pinned is still mounted where it was; ends the permit.
///
/// # Safety
/// `result` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mount_guard_verify(permit: u64, result: *mut Outcome) {
    // SAFETY: null or writable, as this function demands of its caller.
    unsafe { answer_into(result, || with_guards(|guards| guards.verify(permit))) }
}

/// Ends a permit without a look: whoever took it has nobody to tell.
#[unsafe(no_mangle)]
pub extern "C" fn mount_guard_release(permit: u64) {
    let release = || with_guards(|guards| guards.release(permit));
    // A panic while it was closed leaves nothing that could be done about it.
    let _ = catch_unwind(AssertUnwindSafe(release));
}

/// Forgets all guards and permits.
#[unsafe(no_mangle)]
pub extern "C" fn mount_guard_close() {
    let forget = || with_guards(|guards| *guards = Guards::default());
    // What a destructor panics about changes nothing: there is no guard after this.
    let _ = catch_unwind(forget);
}

fn with_guards<T>(work: impl FnOnce(&mut Guards) -> T) -> T {
    GUARDS.with_borrow_mut(work)
}

/// Writes the answer, a refusal when there is none because of a panic.
///
/// # Safety
/// `result` is null or writable.
unsafe fn answer_into(result: *mut Outcome, decide: impl FnOnce() -> Answer) {
    let answer = catch_unwind(AssertUnwindSafe(decide)).unwrap_or_else(|_| refuse_unknown());
    // SAFETY: null or writable, as this function demands of its caller.
    let Some(outcome) = (unsafe { result.as_mut() }) else { return };
    words::fit(&answer.client, &mut outcome.client);
    words::fit(&answer.log, &mut outcome.log);
    outcome.permit = answer.permit;
    outcome.epoch = answer.epoch;
    outcome.assurance = answer.assurance;
    outcome.answer = if answer.permitted { PERMITTED } else { 0 };
}

/// # Safety
/// `question` is null or as `guard.h` says.
unsafe fn ask(question: *const Question, pin: bool) -> Answer {
    // SAFETY: null or valid, as this function demands of its caller.
    let Some(question) = (unsafe { question.as_ref() }) else { return refuse_unknown() };
    // SAFETY: the places of a valid question are valid.
    let needed = unsafe { needed_paths(question) };
    let Some((moment, paths)) = needed else { return refuse_unknown() };
    let is = |flag| question.flags & flag != 0;
    let manner = Manner { pin, quiet: is(FLAG_QUIET) };
    with_guards(|guards| guards.ask(question.guard, question.now, moment.operation(), &paths, manner))
}

/// The paths of a question that its moment needs; none when the question makes no sense.
///
/// # Safety
/// The question's places are valid for the call.
unsafe fn needed_paths(question: &Question) -> Option<(Moment, Vec<&Path>)> {
    let places = match question.place_count {
        0 => &[],
        // SAFETY: that many places, as this function demands of its caller; null was ruled out.
        count if !question.places.is_null() => unsafe { from_raw_parts(question.places, count) },
        _ => return None,
    };
    let moment = Moment::from_number(question.moment)?;
    let mut roles = Vec::with_capacity(places.len());
    for place in places {
        // SAFETY: null or NUL-terminated, as this function demands of its caller.
        let path = Path::new(OsStr::from_bytes(unsafe { bytes(place.path) }));
        if !path.is_absolute() {
            return None;
        }
        roles.push((role_from_number(place.role)?, path));
    }
    let deed = Deed {
        moment,
        format: Format::from_number(question.format)?,
        separate_inbox: question.flags & FLAG_INBOX != 0
            && roles.iter().any(|(role, _)| *role == Role::Inbox),
    };
    // Without a directory of its own for them control files lie with the mails, and an mbox INBOX needs none.
    let mail = roles.iter().find(|(role, _)| *role == Role::Mail).map(|(_, path)| *path);
    let is_own = |role: Role, path| role != Role::Control || Some(path) != mail;
    let needed = roles.iter().filter(|(role, path)| deed.needs(*role) && is_own(*role, *path));
    let needed: Vec<&Path> = needed.map(|(_, path)| *path).collect();
    // Judging a path judges every mountpoint above it, so its ancestors need no look of their own.
    let covered = |at: usize, path: &Path| {
        needed.iter().enumerate().any(|(other, below)| {
            is_at_or_below(below, path) && (below.as_os_str() != path.as_os_str() || other < at)
        })
    };
    let judged = needed.iter().enumerate().filter(|(at, path)| !covered(*at, path)).map(|(_, path)| *path);
    Some((moment, judged.collect()))
}

/// By bytes: where a path is not written in the shortest way it is judged once too often.
fn is_at_or_below(below: &Path, path: &Path) -> bool {
    let rest = below.as_os_str().as_bytes().strip_prefix(path.as_os_str().as_bytes());
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

/// The bytes of a string, none for null.
///
/// # Safety
/// `string` is null or NUL-terminated, and stays as it is for `'a`.
unsafe fn bytes<'a>(string: *const c_char) -> &'a [u8] {
    if string.is_null() {
        return &[];
    }
    // SAFETY: not null, and NUL-terminated as this function demands of its caller.
    unsafe { CStr::from_ptr(string) }.to_bytes()
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::{null, null_mut};

    fn outcome() -> Outcome {
        Outcome {
            answer: PERMITTED,
            reserved: 0,
            permit: 7,
            epoch: 7,
            assurance: 7,
            client: [b'x'; 512],
            log: [b'x'; 1536],
        }
    }

    fn question(places: &[Place]) -> Question {
        let (guard, moment, format) = (1, 2, 2);
        Question {
            guard,
            moment,
            format,
            flags: 0,
            now: 1,
            places: places.as_ptr(),
            place_count: places.len(),
        }
    }

    fn judged(question: *const Question) -> Outcome {
        let mut outcome = outcome();
        // SAFETY: the outcome is writable, the questions of these tests are null or as guard.h says.
        unsafe { mount_guard_judge(question, &raw mut outcome) };
        outcome
    }

    fn is_refused(outcome: &Outcome) -> bool {
        outcome.answer == 0
            && outcome.permit == 0
            && outcome.assurance == 0
            && outcome.client.starts_with(b"[UNAVAILABLE] ")
    }

    #[test]
    fn null_is_refused_and_never_followed() {
        assert!(is_refused(&judged(null())));
        let mut asked = question(&[]);
        asked.place_count = 1;
        asked.places = null();
        assert!(is_refused(&judged(&asked)));
        assert!(is_refused(&judged(&question(&[Place { role: 1, path: null() }]))));
        // SAFETY: null is what is tested.
        unsafe {
            mount_guard_judge(null(), null_mut());
            mount_guard_tell(1, 1, null());
            assert_eq!(mount_guard_open(null()), 0);
        }
    }

    #[test]
    fn question_that_makes_no_sense_is_refused() {
        let relative = [Place { role: 1, path: c"srv/mail".as_ptr() }];
        assert!(is_refused(&judged(&question(&relative))));
        let unknown_role = [Place { role: 99, path: c"/srv/mail".as_ptr() }];
        assert!(is_refused(&judged(&question(&unknown_role))));
        let places = [Place { role: 1, path: c"/srv/mail".as_ptr() }];
        for (guard, moment, format) in [(0, 2, 2), (1, 0, 2), (1, 2, 0), (1, 99, 2)] {
            assert!(is_refused(&judged(&Question { guard, moment, format, ..question(&places) })));
        }
    }

    #[test]
    fn panic_is_a_refusal() {
        let mut outcome = outcome();
        // SAFETY: the outcome is writable.
        unsafe { answer_into(&raw mut outcome, || panic!("as a bug would")) };
        assert!(is_refused(&outcome));
    }

    #[test]
    fn guard_that_nobody_opened_assures_of_nothing() {
        assert_eq!(mount_guard_assurance(0, 1, 0), 0);
        assert_eq!(mount_guard_assurance(99, 1, 1), 0);
    }

    #[test]
    fn permit_that_was_never_given_is_refused() {
        let mut outcome = outcome();
        // SAFETY: the outcome is writable.
        unsafe { mount_guard_verify(42, &raw mut outcome) };
        assert!(is_refused(&outcome));
        // SAFETY: the outcome is writable.
        unsafe { mount_guard_still(42, 1, 0, &raw mut outcome) };
        assert!(is_refused(&outcome));
    }

    #[test]
    fn directory_above_another_is_not_judged_twice() {
        let paths = [c"/srv/mail/bob", c"/srv/mail/bob", c"/srv/mail/bob/mailboxes/INBOX", c"/srv/mail/bo"];
        let places = paths.map(|path| Place { role: 1, path: path.as_ptr() });
        let asked = question(&places);
        // SAFETY: the places live as long as the question.
        let (_, needed) = unsafe { needed_paths(&asked) }.expect("it makes sense");
        assert_eq!(needed, [Path::new("/srv/mail/bob/mailboxes/INBOX"), Path::new("/srv/mail/bo")]);
    }
}
