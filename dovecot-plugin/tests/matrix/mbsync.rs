//! A real client that keeps a local copy in step, deletions included, through an outage of each filesystem.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use fixtures::dovecot::{Format, Guard, PASSWORD, Truth, losses, underneath};
use fixtures::lab;

use crate::cell::recovered;
use crate::plan::Away;
use crate::report;
use crate::scope::Scope;
use crate::setup::Setup;
use crate::site::{self, FOLDER, INBOX, Site, USER, message};

/// A mail that the user files in the local copy while the filesystem is away.
const WRITTEN: &str = "<written@example.org>";

/// The user's copy: a Maildir for each mailbox.
struct Copy {
    directory: PathBuf,
    configuration: PathBuf,
}

impl Copy {
    /// A copy of what the server has, but for one folder that the client doesn't know yet.
    fn new(site: &Site) -> Copy {
        let directory = site.root().with_file_name("copy");
        if directory.exists() {
            fs::remove_dir_all(&directory).expect("no copy of an earlier outage");
        }
        fs::create_dir_all(directory.join("state")).expect("a directory for the copy");
        let copy = Copy { configuration: directory.join("mbsyncrc"), directory };
        copy.configure(site, &format!("Patterns INBOX * !{FOLDER}\nCreate Near"));
        let (ended_well, said) = copy.synchronise();
        assert!(ended_well, "the first synchronisation: {said}");
        for place in ["cur", "new", "tmp"] {
            fs::create_dir_all(copy.directory.join(FOLDER).join(place)).expect("an empty folder");
        }
        copy.configure(site, "Patterns INBOX *\nCreate None");
        copy
    }

    fn configure(&self, site: &Site, folders: &str) {
        let socket = site.dovecot.run_dir().join("imap");
        let text = format!(
            "\
IMAPStore server
Tunnel \"socat -t 0 - UNIX-CONNECT:{socket}\"
AuthMechs LOGIN
User {USER}
Pass {PASSWORD}

MaildirStore copy
Path {path}/
Inbox {path}/INBOX
SubFolders Verbatim

Channel all
Far :server:
Near :copy:
{folders}
Sync All
Remove None
Expunge Both
SyncState {path}/state/
",
            socket = socket.display(),
            path = self.directory.display(),
        );
        fs::write(&self.configuration, text).expect("a configuration");
    }

    /// Runs mbsync; whether it was content, and what it said.
    fn synchronise(&self) -> (bool, String) {
        let output =
            Command::new("mbsync").arg("-c").arg(&self.configuration).arg("-a").output().expect("mbsync");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// How often each mail is in which folder.
    fn mails(&self) -> BTreeMap<(String, String), usize> {
        let mut mails = BTreeMap::new();
        for (folder, _) in site::MAILBOXES {
            for place in ["cur", "new"] {
                let Ok(entries) = fs::read_dir(self.directory.join(folder).join(place)) else { continue };
                for entry in entries {
                    let text = fs::read(entry.expect("a file of the copy").path()).expect("a mail");
                    *mails.entry((folder.to_owned(), message_id(&text))).or_default() += 1;
                }
            }
        }
        mails
    }

    /// Files a new mail.
    fn write_mail(&self) {
        fs::write(self.directory.join(INBOX).join("cur/1.written:2,S"), message(WRITTEN)).expect("a mail");
    }
}

fn message_id(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let header = text.lines().find_map(|line| line.strip_prefix("Message-ID: "));
    header.unwrap_or_default().trim().to_owned()
}

/// What an outage costs: the server's copy, the user's copy, and the bare directory.
fn outage(site: &Site, away: Away) -> String {
    site.restore(away);
    let copy = Copy::new(site);
    let before = Truth::of(&site.dovecot, USER).expect("all can be read");
    site.await_quiet();
    site.take_away(away);
    copy.write_mail();
    // Clients are stubborn.
    let mut said: Vec<String> = (0..2).map(|_| copy.synchronise().1).collect();
    site.await_quiet();
    site.bring_back(away);
    said.extend((0..2).map(|_| copy.synchronise().1));
    // mbsync never offers a mail again that was refused by itself, be it for now. It stays in the copy.
    let refused = said.iter().any(|said| said.contains("refuses to store"));
    let accepted: &[&str] = if refused { &[] } else { &[WRITTEN] };
    let mut costs = match recovered(site) {
        Ok(after) => losses(&before, &after, accepted).iter().map(ToString::to_string).collect(),
        Err(error) => vec![format!("what is there can't be read: {error}")],
    };
    costs.extend(copy_costs(&before, &copy.mails(), &said.concat()));
    let strays = underneath(site.mountpoint(away).expect("a filesystem")).expect("look underneath");
    costs.extend(strays.iter().map(|path| format!("underneath: {}", path.display())));
    if site.guard == Guard::Guarded && !costs.is_empty() {
        report::show(&format!("{} {} mbsync\n{}", site.setup.format.name(), away.name(), said.join("--\n")));
    }
    costs.join("; ")
}

/// What the copy lacks of all that was on the server, and what it has more than once.
///
/// mbsync never asks again for a mail that was refused by itself, be it for now: it skips what is new to it.
fn copy_costs(before: &Truth, copy: &BTreeMap<(String, String), usize>, said: &str) -> Vec<String> {
    let lacks = |folder: &str, id: &str| !copy.contains_key(&(folder.to_owned(), id.to_owned()));
    let mut costs = Vec::new();
    for (folder, mailbox) in &before.mailboxes {
        for (uid, mail) in mailbox.mails.iter().filter(|(_, mail)| lacks(folder, &mail.message_id)) {
            let skipped =
                folder == FOLDER && said.contains(&format!("UID FETCH {uid} (BODY.PEEK[])' returned"));
            let what = if skipped { SKIPPED } else { "copy lacks" };
            costs.push(format!("{what} {}", mail.message_id));
        }
    }
    costs.extend(lacks(INBOX, WRITTEN).then(|| format!("copy lacks {WRITTEN}")));
    let doubled = copy.iter().filter(|(_, count)| **count > 1);
    costs.extend(doubled.map(|((_, id), _)| format!("copy has {id} twice")));
    costs
}

/// Not the server's fault, and no loss: the mail is there, and the client was told that it isn't to be had now.
const SKIPPED: &str = "skipped";

pub(crate) fn through_outages(format: Format) {
    let scope = Scope::from_environment();
    let outages = scope.outages(format);
    if outages.is_empty() {
        return;
    }
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(guard.name(), |lab| {
            let site = Site::start(lab, Setup::usual(format), guard);
            let mut text = String::new();
            for away in &outages {
                let _ = writeln!(text, "{}\t{}", away.name(), outage(&site, *away).replace('\n', " "));
            }
            report::keep(&name(format, guard), &text);
        });
    }
    let [stock, guarded] = [Guard::Stock, Guard::Guarded].map(|guard| costs(format, guard));
    let table: String = stock
        .iter()
        .zip(&guarded)
        .map(|((away, stock), (_, guarded))| {
            format!("| {} | {away} | {} | {} |\n", format.name(), counted(stock), counted(guarded))
        })
        .collect();
    report::keep(&format!("mbsync-{}.md", format.name()), &table);
    report::show(&table);
    let is_cost = |cost: &&String| !cost.starts_with(SKIPPED);
    let faulty: Vec<_> =
        guarded.iter().filter(|(_, costs)| costs.iter().any(|cost| is_cost(&cost))).collect();
    assert!(faulty.is_empty(), "with the plugin: {faulty:?}");
    let harmed = stock.iter().any(|(_, costs)| !costs.is_empty());
    let named = matches!(scope, Scope::Named(_));
    assert!(harmed || named, "stock Dovecot lost nothing: this shows nothing");
}

fn name(format: Format, guard: Guard) -> String {
    format!("mbsync-{}-{}", format.name(), guard.name())
}

/// What each outage cost.
fn costs(format: Format, guard: Guard) -> Vec<(String, Vec<String>)> {
    let line = |line: &str| {
        let (away, costs) = line.split_once('\t').expect("what was away, and the costs");
        let costs = costs.split("; ").filter(|cost| !cost.is_empty()).map(str::to_owned);
        (away.to_owned(), costs.collect())
    };
    report::kept(&name(format, guard)).lines().map(line).collect()
}

fn counted(costs: &[String]) -> String {
    let kinds = [("copy", "in the copy"), ("underneath", "underneath"), (SKIPPED, "skipped by mbsync")];
    let count = |kind: &str| costs.iter().filter(|cost| cost.starts_with(kind)).count();
    let elsewhere: usize = kinds.iter().map(|(kind, _)| count(kind)).sum();
    let mut parts = vec![(costs.len() - elsewhere, "on the server")];
    parts.extend(kinds.iter().map(|(kind, place)| (count(kind), *place)));
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    parts.map(|(number, place)| format!("{number} {place}")).collect::<Vec<_>>().join(", ")
}
