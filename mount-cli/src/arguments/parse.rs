//! From words to a command.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use mount_core::{Directories, Error, Operation};
use nix::unistd::{Gid, Uid};

use super::value::{absolute, mode, number, owner, seconds, word};
use super::{Audit, Command, Create, Discover, Invocation, Name, Recording, Settings, View, Watch};
use crate::failure::Failure;
use crate::output::Format;

/// How long a filesystem is waited for, unless the command line says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often `watch` asks each filesystem, unless the command line says otherwise.
const INTERVAL: Duration = Duration::from_secs(30);

/// Understands the arguments of this process.
pub(crate) fn parse(mut parser: Parser) -> Result<Invocation, Failure> {
    let mut words = Words::default();
    let mut settings =
        Settings { directories: Directories::from_env(), timeout: TIMEOUT, format: None, view: View::Own };
    while words.next(&mut parser, &mut settings)? {}
    words.check_format(settings.format)?;
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
    audit: Audit,
    interval: Option<Duration>,
    hook: Option<OsString>,
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
            (Some(Name::Audit), "user") => self.audit.user = Some(parser.value()?.string()?),
            (Some(Name::Audit), "fix") => self.audit.fix = true,
            (Some(Name::Audit), "yes") => self.audit.yes = true,
            (Some(Name::Audit), "rescue") => self.audit.rescue = Some(absolute(&parser.value()?)?),
            (Some(Name::Watch), "interval") => self.interval = Some(seconds(&parser.value()?)?),
            (Some(Name::Watch), "exec") => self.hook = Some(parser.value()?),
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
    fn command(mut self) -> Result<Command, Failure> {
        if self.help {
            return Ok(Command::Help(self.name));
        }
        if self.version {
            return Ok(Command::Version);
        }
        let Some(name) = self.name else {
            return Err(Failure::Usage("no command given; see: mountguard --help".to_owned()));
        };
        let mut values = Values { name, words: std::mem::take(&mut self.values).into_iter() };
        let command = match name {
            Name::Add => {
                let (path, state) = (values.path()?, values.optional_word()?);
                Command::Add { path, state, recording: self.recording()? }
            }
            Name::Remove => Command::Remove { path: values.path()? },
            Name::State => {
                let (path, state) = (values.optional_path()?, values.optional_word()?);
                Command::State { path, state, all: self.all }
            }
            Name::Status => Command::Status { paths: values.all()?, all: self.all },
            Name::Check => Command::Check { operation: self.operation(), paths: values.at_least_one()? },
            Name::Discover => Command::Discover(self.discover),
            Name::Audit => Command::Audit(self.audit(values.all()?)?),
            Name::Watch => {
                Command::Watch(Watch { interval: self.interval.unwrap_or(INTERVAL), hook: self.hook })
            }
            Name::CreateMaildir => Command::CreateMaildir(self.create(values.path()?)),
            Name::CreateMbox => Command::CreateMbox(self.create(values.path()?)),
            Name::Exec => self.exec(&mut values)?,
        };
        values.end()?;
        Ok(command)
    }

    fn operation(&self) -> Operation {
        self.operation.unwrap_or(Operation::Open)
    }

    fn recording(&self) -> Result<Recording, Failure> {
        if self.recording.require_identity && self.recording.any_filesystem {
            let text = "--require-identity and --any-filesystem contradict each other; leave one out";
            return Err(Failure::Usage(text.to_owned()));
        }
        Ok(self.recording)
    }

    fn audit(self, paths: Vec<PathBuf>) -> Result<Audit, Failure> {
        if self.audit.fix && self.audit.rescue.is_some() {
            let text = "--rescue and --fix are two steps: rescue first, then see what is left, then fix";
            return Err(Failure::Usage(text.to_owned()));
        }
        Ok(Audit { paths, ..self.audit })
    }

    /// Formats of monitoring systems are about what is, not about what was done.
    fn check_format(&self, format: Option<Format>) -> Result<(), Failure> {
        let only_for_status = matches!(format, Some(Format::Prometheus | Format::Nagios));
        if only_for_status && self.name.is_some_and(|name| name != Name::Status) {
            return Err(Failure::Usage("formats prometheus and nagios are for status only".to_owned()));
        }
        Ok(())
    }

    fn create(&self, path: PathBuf) -> Create {
        Create { path, owner: self.owner, mode: self.mode, parents: self.parents }
    }

    fn exec(self, values: &mut Values) -> Result<Command, Failure> {
        let (operation, paths) = (self.operation(), values.at_least_one()?);
        let mut words = self.program.into_iter();
        let program = words.next().ok_or_else(|| values.usage("no command to run; give it after --"))?;
        Ok(Command::Exec { operation, paths, program, arguments: words.collect() })
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
