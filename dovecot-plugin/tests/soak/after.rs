//! What came of a run, once all filesystems are back and all sessions have ended.

use std::collections::BTreeMap;

use fixtures::dovecot::{Loss, Mailbox, Truth, losses, underneath};

use crate::ledger::{Folder, Ledger};
use crate::message::{id, is_whole};
use crate::plan::is_sealed;
use crate::run::Known;
use crate::site::{Site, name};

/// How often an administrator has a user's mail looked at again.
const RESYNCS: usize = 3;

/// What is not as it must be.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    /// Accepted mails and mailboxes that are gone, and mails that are not whole.
    pub(crate) lost: Vec<String>,
    /// What is there, though not as it was: other UIDs, flags or UIDVALIDITY; and what ought not to be there.
    pub(crate) changed: Vec<String>,
}

impl Wrong {
    /// Compares what there is with all that is known.
    pub(crate) fn find(site: &Site, known: &Known) -> Wrong {
        let mut by_user: BTreeMap<usize, Vec<&Ledger>> = BTreeMap::new();
        for (user, ledger) in known {
            by_user.entry(*user).or_default().push(ledger);
        }
        let mut all = Wrong::default();
        for user in 0..site.scale.users {
            let ledgers = by_user.remove(&user).unwrap_or_default();
            let mut wrong = Wrong::of_user(site, user, &ledgers);
            wrong.uncover(site, user, &ledgers);
            let of_user = |what: String| format!("{}: {what}", name(user));
            all.lost.extend(wrong.lost.into_iter().map(of_user));
            all.changed.extend(wrong.changed.into_iter().map(of_user));
        }
        all
    }

    /// Tells what is only hidden from what is lost. A mail that the index takes for expunged is believed by maildir when
    /// it has seen the file twice, and an administrator can have it look.
    fn uncover(&mut self, site: &Site, user: usize, ledgers: &[&Ledger]) {
        for _ in 0..RESYNCS {
            if self.lost.is_empty() {
                return;
            }
            drop(site.doveadm("force-resync", user, &["*"]));
            let still = Wrong::of_user(site, user, ledgers).lost;
            let seen = std::mem::replace(&mut self.lost, still);
            let hidden = seen.into_iter().filter(|what| !self.lost.contains(what));
            self.changed.extend(hidden.map(|what| format!("{what} until a resync")));
        }
    }

    fn of_user(site: &Site, user: usize, ledgers: &[&Ledger]) -> Wrong {
        let (after, broken) = read(site, user);
        let mut wrong = Wrong::default();
        for mail in broken {
            match mail {
                Some(id) => wrong.lost.push(format!("{id} is not whole")),
                None => wrong.changed.push("a mail that nobody has sent".to_owned()),
            }
        }
        wrong.compare_first(&site.before[user], &after);
        ledgers.iter().for_each(|ledger| wrong.compare(ledger, &after));
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
        let inbox = after.mailboxes.get("INBOX");
        for (id, own) in &ledger.inbox {
            let mail = inbox.and_then(|inbox| inbox.mails.get(&own.uid));
            match mail.filter(|mail| mail.message_id == *id) {
                Some(mail) if !own.flagged || mail.flags.contains("\\Flagged") => {}
                Some(_) => self.changed.push(format!("{id} has lost its flag")),
                None if after.has(id) => self.changed.push(format!("{id} has another UID")),
                None => self.lost.push(id.clone()),
            }
        }
        ledger.folders.iter().for_each(|folder| self.compare_folder(folder, after));
        let back = ledger.gone.iter().filter(|id| inbox.is_some_and(|inbox| has(inbox, id)));
        self.changed.extend(back.map(|id| format!("{id} came back")));
    }

    fn compare_folder(&mut self, folder: &Folder, after: &Truth) {
        let names = folder.names.join(" or ");
        let found: Vec<_> = folder.names.iter().filter_map(|name| after.mailboxes.get(name)).collect();
        if found.is_empty() {
            self.lost.push(format!("mailbox {names}"));
        }
        for id in folder.mails.iter().filter(|id| !found.iter().any(|mailbox| has(mailbox, id))) {
            // Where a mail has another UID than before, the client has copied another mail.
            let list = if after.has(id) { &mut self.changed } else { &mut self.lost };
            list.push(format!("{id} is not in {names}"));
        }
    }
}

fn has(mailbox: &Mailbox, id: &str) -> bool {
    mailbox.mails.values().any(|mail| mail.message_id == id)
}

/// How often a user is read whose mailboxes can't all be.
const ATTEMPTS: usize = 4;

/// All that the user has, and the ids of mails that are not whole.
///
/// A delivery that was killed half-way can leave an index that Dovecot repairs at the first look, and without the
/// plugin it takes a repair by hand. What can't be read after that is not there.
fn read(site: &Site, user: usize) -> (Truth, Vec<Option<String>>) {
    for attempt in 1.. {
        let mut broken = Vec::new();
        let result = Truth::readable(&site.dovecot, &name(user), |message| broken.extend(if_broken(message)));
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

/// The id of a mail that has lost its end; it may have lost that as well.
fn if_broken(message: &[u8]) -> Option<Option<String>> {
    let text = String::from_utf8_lossy(message);
    let header = text.lines().find_map(|line| line.strip_prefix("Message-ID: "));
    let id = header.and_then(id);
    let whole = id.is_some_and(|id| is_whole(message, id));
    (!whole).then(|| id.map(str::to_owned))
}

/// The files and directories underneath: in sealed bare directories, and in the others.
pub(crate) fn strays(site: &Site) -> [Vec<String>; 2] {
    let mut strays = [Vec::new(), Vec::new()];
    for (number, mount) in site.mounts.iter().enumerate() {
        let found = underneath(mount.path()).expect("look underneath");
        let found = found.iter().map(|path| format!("m{number}/{}", path.display()));
        strays[usize::from(!is_sealed(number))].extend(found);
    }
    strays
}
