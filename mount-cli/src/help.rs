//! What `--help` says.

use crate::arguments::Name;

/// The help of the whole, or of one command.
pub(crate) fn text(name: Option<Name>) -> String {
    match name {
        None => format!("{OVERVIEW}\n{COMMON}\n{EXIT_CODES}"),
        Some(name) => format!("{}\n{COMMON}", of_command(name)),
    }
}

fn of_command(name: Name) -> &'static str {
    match name {
        Name::Add => ADD,
        Name::Remove => REMOVE,
        Name::State => STATE,
        Name::Status => STATUS,
        Name::Check => CHECK,
        Name::Discover => DISCOVER,
        Name::Audit => AUDIT,
        Name::Watch => WATCH,
        Name::CreateMaildir => CREATE_MAILDIR,
        Name::CreateMbox => CREATE_MBOX,
        Name::Exec => EXEC,
    }
}

const OVERVIEW: &str = "\
mountguard knows which mountpoints ought to be mounted, and refuses what would go wrong while one is not.

Usage: mountguard COMMAND [OPTION...] [ARGUMENT...]

Commands:
  add PATH [STATE]        register a mountpoint
  remove PATH             unregister it
  state [PATH [STATE]]    show the states, or set one
  status [PATH...]        show what is mounted, what is not, and why
  check PATH...           say by exit code whether an operation is permitted
  discover                find and register the mountpoints that mail uses
  audit [PATH...]         look underneath the mounts, seal bare directories, rescue stray mail
  watch                   a line for each change as it happens; finds out what is stuck
  create-maildir PATH     create a Maildir, never underneath
  create-mbox PATH        create an mbox, never underneath
  exec PATH... -- COMMAND run a command only while all is mounted

Example:
  mountguard add /srv/mail && mountguard check --for deliver /srv/mail/bob

Each command has a help of its own: mountguard COMMAND --help
";

const COMMON: &str = "\
Common options:
  --state-dir DIR   where the registry is (MOUNTGUARD_STATE_DIR; /var/lib/dovecot)
  --run-dir DIR     where its runtime copy is (MOUNTGUARD_RUN_DIR; /run/dovecot)
  --timeout SECS    how long a filesystem may take to answer (5)
  --format FORMAT   table (on a terminal), tab (otherwise) or json; of status, prometheus or nagios too. Paths have
                    octal escapes as in the registry; in json they have none, and one that is not UTF-8 is
                    {\"hex\": \"2f73ff\"}
  --pid PID         judge what this process sees: its mounts, from its root directory
  --mountinfo FILE  judge a recorded mount table: a copy of /proc/PID/mountinfo
  -h, --help        this help
  -V, --version     the version
";

const EXIT_CODES: &str = "\
Exit codes:
  0 done    64 usage    65 unusable data    66 no such mountpoint    74 input or output failed
  75 refused for now    77 not permitted    78 damaged registry
";

const ADD: &str = "\
Registers a mountpoint: from now on its filesystem ought to be mounted.

Usage: mountguard add [OPTION...] PATH [STATE]

STATE is online (the default), offline, failover or ignore. PATH/* with ignore covers everything below PATH; with
another state it says that each directory in PATH is a mountpoint of its own. Which filesystem is mounted is
recorded; where it is only a part of one (a bind mount, a subvolume), another in its place is refused. Adding a
mountpoint again records the filesystem that is there now.

Options:
  --not-mounted       though nothing is mounted there now
  --require-identity  refuse any other filesystem in its place
  --any-filesystem    accept any filesystem in its place

Examples:
  mountguard add /srv/mail
  mountguard add '/mnt/*' ignore
";

const REMOVE: &str = "\
Unregisters a mountpoint. It is remembered as removed, so that nothing adds it again by itself.

Usage: mountguard remove PATH

Example:
  mountguard remove /srv/old
";

const STATE: &str = "\
Shows the states of all registered mountpoints or of one, or sets one.

Usage: mountguard state [--all] [PATH [STATE]]

STATE is online, offline (refuse, though it is mounted), failover (refuse, the replica is to be used) or ignore
(decides nothing). Columns: path, state.

Options:
  --all   show those with the state ignore too

Examples:
  mountguard state
  mountguard state /srv/mail offline
";

const STATUS: &str = "\
Shows what is registered and what is mounted. Each mounted filesystem is asked whether it answers; one that does
not is stuck, and keeps no other from being shown. Says when a running Dovecot sees other mounts than this shell.

Usage: mountguard status [--all] [PATH...]

A PATH that is not registered shows the mountpoint that covers it. Columns: path, state, presence, filesystem,
source, since, why.

Options:
  --all   show those with the state ignore too

Example:
  mountguard status --format json /srv/mail/bob

With --format prometheus, metrics for node_exporter's textfile collector. With --format nagios, one line and the
exit code of a check: 0 OK, 1 warning (read-only), 2 critical (absent, stuck, another filesystem,
answers with an error), 3 unknown.
";

const CHECK: &str = "\
Says whether an operation on paths is permitted now: exit code 0 when it is on all of them, 75 when it is refused
on any. Refusals, and what ends them, are on standard error. Never waits for a filesystem.

Usage: mountguard check [--for OPERATION] PATH...

Options:
  --for OPERATION   open (the default), create, deliver, read-alt, rebuild, delete or sync

Example:
  mountguard check --for sync /srv/mail /srv/index || exit 75
";

const DISCOVER: &str = "\
Finds the filesystems that mail uses and registers those that nobody has registered or removed. They come from
Dovecot's configuration, from its user database, and from mail processes that opened a store. Warns once of
registered mountpoints that are not there. What is registered already, or was removed by hand, stays as it is.

Usage: mountguard discover [OPTION...]

Options:
  --dry-run         change nothing; show each place for mail, who says so, and what would become of it
  --mail-path PATH  mail lies there too, of any server; may be given several times
  --all             also every other filesystem that is not known to be without mail
  --config FILE     Dovecot's configuration, where it is not the usual one

Example:
  mountguard discover --dry-run
";

const AUDIT: &str = "\
Looks underneath registered mountpoints, without unmounting: what lies in the directory that a mount covers, and
whether the mail user could write there while nothing is mounted. Needs root.

Usage: mountguard audit [--user NAME] [PATH...]
       mountguard audit --fix [--yes] [PATH...]
       mountguard audit --rescue DIR [PATH...]

Columns: path, owner, mode, immutable, files and bytes in it, directories in it that could not be read,
mails among the files, user, writable.

Options:
  --user NAME   the user that mail processes run as (the owner of what is mounted)
  --fix         seal: root's own, mode 0555 (0000 when something lies in it), immutable where its filesystem can.
                Says first what it will do. What is mounted is not touched
  --yes         seal without asking
  --rescue DIR  move stray mail out to DIR, each checked on disk before it is removed underneath. Columns: where it
                was, kind, files, where it is, the command that delivers it again

Examples:
  mountguard audit --user vmail
  mountguard audit --rescue /var/lib/stray && mountguard audit --fix
";

const WATCH: &str = "\
Writes a line for each change of a registered mountpoint, and asks each mounted filesystem whether it answers: one
that does not is recorded as stuck, so that guards refuse it at once, until it answers again. Sleeps in between.

Usage: mountguard watch [--interval SECS] [--exec COMMAND]

Columns: time, path, change, state, filesystem, source, why. Changes: mounted, gone, idle, replaced, read-only,
read-write, stuck, failing, answers, unknown, state, registered, removed. What is not as it ought to be at the
beginning is written as if it had just happened. With --format json, an object a line.

Options:
  --interval SECS  how often each filesystem is asked (30); one that does not answer within --timeout is stuck
  --exec COMMAND   run by a shell for each change, one after the other, with MOUNTGUARD_TIME, MOUNTGUARD_PATH,
                   MOUNTGUARD_CHANGE, MOUNTGUARD_STATE, MOUNTGUARD_FILESYSTEM, MOUNTGUARD_SOURCE, MOUNTGUARD_WHY

Example:
  mountguard watch --exec 'logger -t mail \"$MOUNTGUARD_PATH: $MOUNTGUARD_CHANGE\"'
";

const CREATE_MAILDIR: &str = "\
Creates a Maildir with cur, new and tmp, if it is not there yet. Never underneath: refused with exit code 75 while
a registered mountpoint that it lies on is not mounted.

Usage: mountguard create-maildir [OPTION...] PATH

Options:
  --owner USER[:GROUP]  whom it is to belong to (who runs the command)
  --mode MODE           permission bits of its directories (0700)
  --parents             create the directories above it too, alike

Example:
  mountguard create-maildir --owner vmail --parents /srv/mail/example.com/bob/Maildir
";

const CREATE_MBOX: &str = "\
Creates an empty mbox file, if it is not there yet. Never underneath: refused with exit code 75 while a registered
mountpoint that it lies on is not mounted.

Usage: mountguard create-mbox [OPTION...] PATH

Options:
  --owner USER[:GROUP]  whom it is to belong to (who runs the command)
  --mode MODE           permission bits of the file (0600)
  --parents             create the directories above it too, with the mode 0700

Example:
  mountguard create-mbox --owner bob:mail --mode 0660 /var/mail/bob
";

const EXEC: &str = "\
Runs a command only when an operation is permitted on all paths. The mounts are held meanwhile, so that a plain
umount finds them busy. Afterwards they are verified: exit code 75 when one was lost.

Usage: mountguard exec [--for OPERATION] PATH... -- COMMAND [ARGUMENT...]

The exit code is the command's own; 128 and its number when a signal killed it, 126 when it cannot be run, 127
when it does not exist; 75 also when the registry cannot be read. With --pid, it runs with that process's mounts
and root directory.

Options:
  --for OPERATION   open (the default), create, deliver, read-alt, rebuild, delete or sync

Example:
  mountguard exec --for sync /srv/mail -- rsync -a --delete /srv/mail/ replica:/srv/mail/
";
