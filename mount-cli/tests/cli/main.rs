//! The command as administrators meet it: the real binary, real mounts, exit codes and texts.

mod audit;
mod bad_input;
mod create;
mod damaged_registry;
mod discover;
mod exec;
mod formats;
mod judging;
mod monitoring;
mod registering;
mod rescue;
mod seal;
mod stuck;
mod support;
mod watch;
