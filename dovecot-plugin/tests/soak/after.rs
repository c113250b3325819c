//! What came of a run, once all filesystems are back and all sessions have ended.

use std::collections::{BTreeMap, BTreeSet};

use fixtures::dovecot::{Loss, Truth, losses, underneath};

use crate::ledger::{Folder, Ledger};
use crate::message::{id, is_whole};
use crate::plan::is_sealed;
use crate::run::Known;
use crate::site::{Site, name};

/// What is not as it must be.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    /// Accepted mails and mailboxes that are gone, and mails that are not whole.
    pub(crate) lost: Vec<String>,
    /// What is there, though not as it was: other UIDs, flags or UIDVALIDITY; and what came back after its end.
    pub(crate) changed: Vec<String>,
}

impl Wrong {
    /// Compares what there is with all that is known.
    pub(crate) fn find(site: &Site, known: &Known) -> Wrong {
        let mut by_user: BTreeMap<usize, Vec<&Ledger>> = BTreeMap::new();
        for (user, ledger) in known {
            by_user.entry(*user).or_default().push(ledger);
        }
        let mut wrong = Wrong::default();
        for user in 0..site.scale.users {
            let (after, broken) = read(site, user);
            let prefix = name(user);
            wrong.lost.extend(broken.into_iter().map(|id| format!("{prefix}: {id} is not whole")));
            let mut user_wrong = Wrong::default();
            user_wrong.compare_first(&site.before[user], &after);
            for ledger in by_user.remove(&user).unwrap_or_default() {
                user_wrong.compare(ledger, &after);
            }
            wrong.lost.extend(user_wrong.lost.into_iter().map(|what| format!("{prefix}: {what}")));
            wrong.changed.extend(user_wrong.changed.into_iter().map(|what| format!("{prefix}: {what}")));
        }
        wrong
    }

    fn compare_first(&mut self, before: &Truth, after: &Truth) {
        for loss in losses(before, after, &[]) {
            match loss {
                Loss::Mail(..) | Loss::Mailbox(_) | Loss::Accepted(_) => self.lost.push(loss.to_string()),
                _ => self.changed.push(loss.to_string()),
            }
        }
    }

    fn compare(&mut self, ledger: &Ledger, after: &Truth) {
        self.lost.extend(ledger.somewhere.iter().filter(|id| !after.has(id)).cloned());
        for (id, own) in &ledger.inbox {
            let inbox = after.mailboxes.get("INBOX");
            let mail =
                inbox.and_then(|inbox| inbox.mails.get(&own.uid)).filter(|mail| mail.message_id == *id);
            match mail {
                Some(mail) if !own.flagged || mail.flags.contains("\\Flagged") => {}
                Some(_) => self.changed.push(format!("{id} has lost its flag")),
                None if after.has(id) => self.changed.push(format!("{id} has another UID")),
                None => self.lost.push(id.clone()),
            }
        }
        ledger.folders.iter().for_each(|folder| self.compare_folder(folder, after));
        let back =
            ledger.gone.iter().filter(|id| after.mailboxes.get("INBOX").is_some_and(|inbox| has(inbox, id)));
        self.changed.extend(back.map(|id| format!("{id} came back")));
    }

    fn compare_folder(&mut self, folder: &Folder, after: &Truth) {
        let mut found = folder.names.iter().filter_map(|name| after.mailboxes.get(name)).peekable();
        if found.peek().is_none() {
            self.lost.push(format!("mailbox {}", folder.names.join(" or ")));
        }
        let there: Vec<_> = found.collect();
        let missing = folder.mails.iter().filter(|id| !there.iter().any(|mailbox| has(mailbox, id)));
        self.lost.extend(missing.map(|id| format!("{id} in {}", folder.names.join(" or "))));
    }
}

fn has(mailbox: &fixtures::dovecot::Mailbox, id: &str) -> bool {
    mailbox.mails.values().any(|mail| mail.message_id == id)
}

/// How often a user is read whose mailboxes can't all be.
const ATTEMPTS: usize = 4;

/// All that the user has, and which mails are not whole.
///
/// A delivery that was killed half-way can leave an index that Dovecot repairs at the first look, and without the
/// plugin it takes a repair by hand. What can't be read after that is not there.
fn read(site: &Site, user: usize) -> (Truth, BTreeSet<String>) {
    for attempt in 1.. {
        let mut broken = BTreeSet::new();
        let result = Truth::readable(&site.dovecot, &name(user), |message| broken.extend(broken_id(message)));
        match result {
            Ok((truth, unreadable)) if unreadable.is_empty() || attempt == ATTEMPTS => {
                unreadable.values().for_each(|error| site.tally.fail(&format!("afterwards: {error}")));
                return (truth, broken);
            }
            Err(error) if attempt == ATTEMPTS => {
                site.tally.fail(&format!("afterwards: {error}"));
                break;
            }
            _ if attempt > 1 => drop(site.doveadm("force-resync", user, &["*"])),
            _ => {}
        }
    }
    Default::default()
}

/// The id of a mail that has lost its end.
fn broken_id(message: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    let header = text.lines().find_map(|line| line.strip_prefix("Message-ID: "));
    let id = header.and_then(id).unwrap_or("a mail without Message-ID");
    (!is_whole(message, id)).then(|| id.to_owned())
}

/// How many files and directories lie underneath: in sealed bare directories, and in the others.
pub(crate) fn strays(site: &Site) -> [usize; 2] {
    let mut strays = [0, 0];
    for (number, mount) in site.mounts.iter().enumerate() {
        let found = underneath(mount.path()).expect("look underneath");
        strays[usize::from(!is_sealed(number))] += found.len();
    }
    strays
}
