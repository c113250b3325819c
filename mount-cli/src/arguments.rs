//! The command line, understood.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use mount_core::{Directories, Error, Operation, State};
use nix::unistd::{Gid, Group, Uid, User};

use crate::failure::Failure;
use crate::output::Format;

/// How long a filesystem is waited for, unless the command line says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Everything that was asked for.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub settings: Settings,
    pub command: Command,
}

/// What all commands have in common.
#[derive(Debug)]
pub(crate) struct Settings {
    pub directories: Directories,
    pub timeout: Duration,
    pub format: Option<Format>,
    pub view: View,
}

/// Whose mounts are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// Those that this process sees.
    Own,
    /// Those that another process sees.
    Process(u32),
    /// Those of a recorded table.
    Recorded(PathBuf),
}

#[derive(Debug)]
pub(crate) enum Command {
    Help(Option<Name>),
    Version,
    Add { path: PathBuf, state: Option<State>, recording: Recording },
    Remove { path: PathBuf },
    State { path: Option<PathBuf>, state: Option<State>, all: bool },
    Status { paths: Vec<PathBuf>, all: bool },
    Check { operation: Operation, paths: Vec<PathBuf> },
    Discover(Discover),
    Audit { paths: Vec<PathBuf>, user: Option<String> },
    CreateMaildir(Create),
    CreateMbox(Create),
    Exec { operation: Operation, paths: Vec<PathBuf>, program: OsString, arguments: Vec<OsString> },
}

/// What `add` is to demand and to record of a filesystem.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Recording {
    pub not_mounted: bool,
    pub require_identity: bool,
    pub any_filesystem: bool,
}

/// Where to look for mail, and whether to change anything.
#[derive(Debug, Default)]
pub(crate) struct Discover {
    pub dry_run: bool,
    pub all: bool,
    pub mail_paths: Vec<PathBuf>,
    /// Dovecot's configuration file, where it is not the usual one.
    pub configuration: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) struct Create {
    pub path: PathBuf,
    pub owner: Option<(Uid, Gid)>,
    pub mode: Option<u32>,
    pub parents: bool,
}

/// The commands by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Add,
    Remove,
    State,
    Status,
    Check,
    Discover,
    Audit,
    CreateMaildir,
    CreateMbox,
    Exec,
}

impl Name {
    const ALL: [(&str, Name); 10] = [
        ("add", Name::Add),
        ("remove", Name::Remove),
        ("state", Name::State),
        ("status", Name::Status),
        ("check", Name::Check),
        ("discover", Name::Discover),
        ("audit", Name::Audit),
        ("create-maildir", Name::CreateMaildir),
        ("create-mbox", Name::CreateMbox),
        ("exec", Name::Exec),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, name)| *name == self).map_or("", |(word, _)| word)
    }

    fn of(word: &OsStr) -> Result<Name, Failure> {
        let found = Self::ALL.iter().find(|(name, _)| OsStr::new(name) == word);
        found.map(|(_, name)| *name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
            Failure::Usage(format!("command {word:?} does not exist; there are: {}", known.join(", ")))
        })
    }
}

/// Understands the arguments of this process.
pub(crate) fn parse(mut parser: Parser) -> Result<Invocation, Failure> {
    let mut words = Words::default();
    let mut settings =
        Settings { directories: Directories::from_env(), timeout: TIMEOUT, format: None, view: View::Own };
    while words.next(&mut parser, &mut settings)? {}
    Ok(Invocation { settings, command: words.command()? })
}

/// The arguments as far as they were read.
#[derive(Debug, Default)]
struct Words {
    name: Option<Name>,
    help: bool,
    version: bool,
    /// What is neither option nor command name.
    values: Vec<OsString>,
    /// What follows `--` of `exec`.
    program: Vec<OsString>,
    recording: Recording,
    operation: Option<Operation>,
    all: bool,
    discover: Discover,
    user: Option<String>,
    owner: Option<(Uid, Gid)>,
    mode: Option<u32>,
    parents: bool,
}

impl Words {
    /// Reads one argument with its value; false after the last.
    fn next(&mut self, parser: &mut Parser, settings: &mut Settings) -> Result<bool, Failure> {
        if self.name == Some(Name::Exec) && self.take_program(parser) {
            return Ok(false);
        }
        let Some(argument) = parser.next()? else {
            return Ok(false);
        };
        // What `parser.value` is asked for later may not hold on to the parser's own buffer.
        match argument {
            Arg::Value(word) if self.name.is_none() => self.name = Some(Name::of(&word)?),
            Arg::Value(word) => self.values.push(word),
            Arg::Short('h') => self.help = true,
            Arg::Short('V') => self.version = true,
            Arg::Short(letter) => return Err(lexopt::Error::UnexpectedOption(format!("-{letter}")).into()),
            Arg::Long(option) => {
                let option = option.to_owned();
                if !self.common(&option, parser, settings)? && !self.specific(&option, parser)? {
                    return Err(self.unexpected(&option));
                }
            }
        }
        Ok(true)
    }

    /// Takes all that follows a `--` that comes next.
    fn take_program(&mut self, parser: &mut Parser) -> bool {
        let Some(rest) = parser.try_raw_args() else {
            return false;
        };
        if rest.peek() != Some(OsStr::new("--")) {
            return false;
        }
        self.program = rest.skip(1).collect();
        true
    }

    /// An option that every command has; false when it is none of them.
    fn common(
        &mut self,
        option: &str,
        parser: &mut Parser,
        settings: &mut Settings,
    ) -> Result<bool, Failure> {
        match option {
            "help" => self.help = true,
            "version" => self.version = true,
            "state-dir" => settings.directories.state = absolute(&parser.value()?)?,
            "run-dir" => settings.directories.run = absolute(&parser.value()?)?,
            "timeout" => settings.timeout = seconds(&parser.value()?)?,
            "format" => settings.format = Some(word(&parser.value()?)?),
            "pid" => settings.look_at(View::Process(number(&parser.value()?)?))?,
            "mountinfo" => settings.look_at(View::Recorded(parser.value()?.into()))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// An option of the command that was named; false when it has no such.
    fn specific(&mut self, option: &str, parser: &mut Parser) -> Result<bool, Failure> {
        match (self.name, option) {
            (Some(Name::Add), "not-mounted") => self.recording.not_mounted = true,
            (Some(Name::Add), "require-identity") => self.recording.require_identity = true,
            (Some(Name::Add), "any-filesystem") => self.recording.any_filesystem = true,
            (Some(Name::State | Name::Status), "all") => self.all = true,
            (Some(Name::Check | Name::Exec), "for") => self.operation = Some(word(&parser.value()?)?),
            (Some(Name::Discover), "dry-run") => self.discover.dry_run = true,
            (Some(Name::Discover), "all") => self.discover.all = true,
            (Some(Name::Discover), "mail-path") => {
                self.discover.mail_paths.push(absolute(&parser.value()?)?);
            }
            (Some(Name::Discover), "config") => {
                self.discover.configuration = Some(absolute(&parser.value()?)?);
            }
            (Some(Name::Audit), "user") => self.user = Some(parser.value()?.string()?),
            (Some(Name::CreateMaildir | Name::CreateMbox), "owner") => {
                self.owner = Some(owner(&parser.value()?.string()?)?);
            }
            (Some(Name::CreateMaildir | Name::CreateMbox), "mode") => {
                self.mode = Some(mode(&parser.value()?)?)
            }
            (Some(Name::CreateMaildir | Name::CreateMbox), "parents") => self.parents = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn unexpected(&self, option: &str) -> Failure {
        let place = self.name.map_or(String::new(), |name| format!(" {}", name.as_str()));
        Failure::Usage(format!("option --{option} does not exist here; see: mountguard{place} --help"))
    }

    /// The command, once all arguments are there.
    fn command(self) -> Result<Command, Failure> {
        if self.help {
            return Ok(Command::Help(self.name));
        }
        if self.version {
            return Ok(Command::Version);
        }
        let Some(name) = self.name else {
            return Err(Failure::Usage("no command given; see: mountguard --help".to_owned()));
        };
        let operation = self.operation.unwrap_or(Operation::Open);
        let mut values = Values { name, words: self.values.into_iter() };
        let command = match name {
            Name::Add => {
                let (path, state) = (values.path()?, values.optional_word()?);
                Command::Add { path, state, recording: checked(self.recording)? }
            }
            Name::Remove => Command::Remove { path: values.path()? },
            Name::State => {
                let (path, state) = (values.optional_path()?, values.optional_word()?);
                Command::State { path, state, all: self.all }
            }
            Name::Status => Command::Status { paths: values.all()?, all: self.all },
            Name::Check => Command::Check { operation, paths: values.at_least_one()? },
            Name::Discover => Command::Discover(self.discover),
            Name::Audit => Command::Audit { paths: values.all()?, user: self.user },
            Name::CreateMaildir | Name::CreateMbox => {
                let (owner, mode, parents) = (self.owner, self.mode, self.parents);
                let create = Create { path: values.path()?, owner, mode, parents };
                if name == Name::CreateMbox {
                    Command::CreateMbox(create)
                } else {
                    Command::CreateMaildir(create)
                }
            }
            Name::Exec => {
                let paths = values.at_least_one()?;
                let mut program = self.program.into_iter();
                let missing = || values.usage("no command to run; give it after --");
                Command::Exec {
                    operation,
                    paths,
                    program: program.next().ok_or_else(missing)?,
                    arguments: program.collect(),
                }
            }
        };
        values.end()?;
        Ok(command)
    }
}

impl Settings {
    fn look_at(&mut self, view: View) -> Result<(), Failure> {
        if self.view != View::Own {
            return Err(Failure::Usage(
                "only one of --pid and --mountinfo can be judged; leave one out".to_owned(),
            ));
        }
        self.view = view;
        Ok(())
    }
}

/// The values that a command was given, taken one by one.
struct Values {
    name: Name,
    words: std::vec::IntoIter<OsString>,
}

impl Values {
    fn usage(&self, what: &str) -> Failure {
        Failure::Usage(format!("{what}; see: mountguard {} --help", self.name.as_str()))
    }

    fn path(&mut self) -> Result<PathBuf, Failure> {
        self.optional_path()?.ok_or_else(|| self.usage("no path given"))
    }

    fn optional_path(&mut self) -> Result<Option<PathBuf>, Failure> {
        self.words.next().map(|word| absolute(&word)).transpose()
    }

    fn optional_word<T: FromStr<Err = Error>>(&mut self) -> Result<Option<T>, Failure> {
        self.words.next().map(|value| word(&value)).transpose()
    }

    fn all(&mut self) -> Result<Vec<PathBuf>, Failure> {
        self.words.by_ref().map(|word| absolute(&word)).collect()
    }

    fn at_least_one(&mut self) -> Result<Vec<PathBuf>, Failure> {
        let paths = self.all()?;
        if paths.is_empty() { Err(self.usage("no path given")) } else { Ok(paths) }
    }

    fn end(mut self) -> Result<(), Failure> {
        match self.words.next() {
            Some(word) => Err(self.usage(&format!("{word:?} is one argument too many"))),
            None => Ok(()),
        }
    }
}

/// A path that means the same in every working directory, and that the kernel takes.
fn absolute(word: &OsStr) -> Result<PathBuf, Failure> {
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
fn word<T: FromStr<Err = Error>>(value: &OsStr) -> Result<T, Failure> {
    Ok(value.to_string_lossy().parse::<T>()?)
}

fn seconds(value: &OsStr) -> Result<Duration, Failure> {
    let seconds = value.to_str().and_then(|text| text.parse::<f64>().ok()).filter(|seconds| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| Failure::Usage(format!("timeout {value:?} is no number of seconds above 0")))
}

fn number(value: &OsStr) -> Result<u32, Failure> {
    let number = value.to_str().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| Failure::Usage(format!("{value:?} is no process id; give a number above 0")))
}

fn mode(value: &OsStr) -> Result<u32, Failure> {
    let bits =
        value.to_str().and_then(|text| u32::from_str_radix(text, 8).ok()).filter(|bits| *bits <= 0o7777);
    bits.ok_or_else(|| Failure::Usage(format!("mode {value:?} is not octal permission bits, such as 0700")))
}

/// `user`, `user:group`, names or numbers; the user's own group unless another is given.
fn owner(text: &str) -> Result<(Uid, Gid), Failure> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let unknown = |what: &str, name: &str| {
        Failure::Usage(format!(
            "{what} {name:?} does not exist on this system; name one that does, or its number"
        ))
    };
    let known = User::from_name(user).ok().flatten();
    let (uid, own_group) = match (known, user.parse()) {
        (Some(known), _) => (known.uid, Some(known.gid)),
        (None, Ok(number)) => {
            let uid = Uid::from_raw(number);
            (uid, User::from_uid(uid).ok().flatten().map(|user| user.gid))
        }
        (None, Err(_)) => return Err(unknown("user", user)),
    };
    let gid = match group {
        None => own_group.ok_or_else(|| {
            Failure::Usage(format!("user {user:?} has no group on this system; give one, as in {user}:100"))
        })?,
        Some(group) => match (Group::from_name(group).ok().flatten(), group.parse()) {
            (Some(known), _) => known.gid,
            (None, Ok(number)) => Gid::from_raw(number),
            (None, Err(_)) => return Err(unknown("group", group)),
        },
    };
    Ok((uid, gid))
}

fn checked(recording: Recording) -> Result<Recording, Failure> {
    if recording.require_identity && recording.any_filesystem {
        let text = "--require-identity and --any-filesystem contradict each other; leave one out";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(recording)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Invocation, Failure> {
        parse(Parser::from_args(words))
    }

    #[test]
    fn everything_after_the_hyphens_is_the_command_to_run() {
        let invocation = parsed(&["exec", "--for", "sync", "/a", "/b", "--", "rsync", "--delete", "--", "x"]);
        let Ok(Invocation { command: Command::Exec { operation, paths, program, arguments }, .. }) =
            invocation
        else {
            panic!("{invocation:?}");
        };
        assert_eq!(operation, Operation::Sync);
        assert_eq!(paths, [Path::new("/a"), Path::new("/b")]);
        assert_eq!(program, "rsync");
        assert_eq!(arguments, ["--delete", "--", "x"]);
    }

    #[test]
    fn option_of_another_command_is_refused() {
        for words in
            [&["check", "--not-mounted", "/a"][..], &["add", "--for", "open", "/a"], &["--all", "state"]]
        {
            assert!(matches!(parsed(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }

    #[test]
    fn common_options_may_stand_anywhere() {
        for words in [&["--format=json", "state"][..], &["state", "--format", "json"]] {
            let format = parsed(words).map(|invocation| invocation.settings.format);
            assert!(matches!(format, Ok(Some(Format::Json))), "{words:?}");
        }
    }

    #[test]
    fn owner_takes_names_and_numbers() {
        assert!(matches!(owner("root"), Ok((uid, gid)) if uid.is_root() && gid.as_raw() == 0));
        assert!(matches!(owner("4711:4712"), Ok((uid, gid)) if uid.as_raw() == 4711 && gid.as_raw() == 4712));
        assert!(owner("4711").is_err(), "no group is known for it");
        assert!(owner("root:no-such-group").is_err());
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(seconds(OsStr::new("0")).is_err());
        assert!(seconds(OsStr::new("NaN")).is_err());
        assert!(seconds(OsStr::new("1e300")).is_err());
        assert_eq!(seconds(OsStr::new("0.5")).ok(), Some(Duration::from_millis(500)));
        assert!(mode(OsStr::new("10000")).is_err());
        assert!(mode(OsStr::new("rwx")).is_err());
        assert!(number(OsStr::new("0")).is_err());
    }
}
