//! Those who come without a mailbox: senders of mail, and the administrator.

use std::collections::BTreeMap;
use std::time::Instant;

use fixtures::client::lmtp::Lmtp;
use fixtures::dovecot::{Format, Role};

use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::message::{message, message_id};
use crate::plan::roles;
use crate::random::Random;
use crate::run::Known;
use crate::site::{Site, name};

/// Tells the streams of random numbers apart from those of clients.
const SENDERS: u64 = 1 << 33;
const ADMINISTRATOR: u64 = 1 << 34;

/// Delivers mail to one user after another until the run is over; the mails that were accepted, by user.
pub(crate) fn send(site: &Site, clock: &Clock, seed: u64, number: usize) -> Known {
    let mut random = Random::new(seed, SENDERS + number as u64);
    let mut accepted: BTreeMap<usize, Ledger> = BTreeMap::new();
    let mut connection: Option<Lmtp> = None;
    let [low, high] = site.scale.think.map(|time| time / 4);
    for mail in 0.. {
        if !clock.rest(random.between(low, high)) {
            break;
        }
        if random.percent(20) {
            connection = None;
        }
        let user = random.below(site.scale.users);
        let id = format!("l{number}-{mail}");
        if deliver(site, clock, &mut connection, user, &id) {
            accepted.entry(user).or_default().accept(message_id(&id), None);
        }
    }
    accepted.into_iter().collect()
}

/// Delivers one mail, on the same connection as before when there is one, and says whether it was accepted.
fn deliver(site: &Site, clock: &Clock, connection: &mut Option<Lmtp>, user: usize, id: &str) -> bool {
    let from = Instant::now();
    let lmtp = connection.take().map_or_else(|| site.dovecot.lmtp(), Ok);
    let result = lmtp.and_then(|mut lmtp| {
        let replies = lmtp.deliver(&[&name(user)], &message(id))?;
        *connection = Some(lmtp);
        Ok(replies[0].clone())
    });
    let answer = match &result {
        Ok(reply) => format!("LMTP: {} {}", reply.code, reply.text),
        Err(error) => format!("LMTP: {error}"),
    };
    site.tally.ask(clock, from, &format!("u{user} {id} {answer}"));
    match result {
        Ok(reply) if reply.accepted() => return true,
        Ok(reply) if reply.is_temporary() => site.tally.refuse(user, from, answer),
        _ => site.tally.fail(&answer),
    }
    false
}

/// Does what administrators have done at night, for one user after another.
pub(crate) fn administrate(site: &Site, clock: &Clock, seed: u64) {
    let mut random = Random::new(seed, ADMINISTRATOR);
    let [low, high] = site.scale.think.map(|time| time * 2);
    let commands = commands(site.format);
    while clock.rest(random.between(low, high)) {
        let (command, query) = random.pick(&commands);
        let user = random.below(site.scale.users);
        let from = Instant::now();
        let output = site.doveadm(command, user, query);
        let said = String::from_utf8_lossy(&output.stderr);
        site.tally.ask(clock, from, &format!("u{user} doveadm {command}: {:?}", output.status.code()));
        match output.status.code() {
            Some(0) => {}
            Some(75) => site.tally.refuse(user, from, format!("doveadm {command}: {said}")),
            status => site.tally.fail(&format!("doveadm {command}: {status:?} {said}")),
        }
    }
}

type Command = (&'static str, &'static [&'static str]);

fn commands(format: Format) -> Vec<Command> {
    let mut commands: Vec<Command> = vec![("index", &["INBOX"]), ("force-resync", &["INBOX"])];
    if roles(format).contains(&Role::Alt) {
        commands.push(("altmove", &["mailbox", "INBOX", "flagged"]));
        commands.push(("purge", &[]));
    }
    commands
}
