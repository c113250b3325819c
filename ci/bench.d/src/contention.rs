//! Many processes that ask at once, beside as many that make a bare `statx` of the same path.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contest::Ratio;
use crate::question::STATX_IN_RUST;
use crate::workers::{Order, Worker};

const PROCESSES: [usize; 5] = [1, 2, 4, 8, 16];

/// Turns of verdicts; one of `statx` comes before and after each.
const TURNS: usize = 11;
const TURN: Duration = Duration::from_millis(100);

/// What so many processes together came to.
#[derive(Serialize, Deserialize)]
pub(crate) struct Contention {
    pub processes: usize,
    pub statx_a_second: Ratio,
    pub verdicts_a_second: Ratio,
    /// How many bare `statx` the same processes make in the time of one verdict.
    pub ratio: Ratio,
}

pub(crate) fn measure() -> Vec<Contention> {
    PROCESSES.map(contend).into()
}

fn contend(processes: usize) -> Contention {
    let start = |question| (0..processes).map(|_| Worker::start(question)).collect::<Vec<_>>();
    let (mut bare, mut ours) = (start(STATX_IN_RUST), start("verdict"));
    let mut statx = vec![together(&mut bare)];
    let (mut verdicts, mut ratios) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        verdicts.push(together(&mut ours));
        statx.push(together(&mut bare));
        ratios.push(f64::midpoint(statx[turn], statx[turn + 1]) / verdicts[turn]);
    }
    Contention {
        processes,
        statx_a_second: Ratio::of(statx),
        verdicts_a_second: Ratio::of(verdicts),
        ratio: Ratio::of(ratios),
    }
}

/// How often all of them ask in a second, all at the same time.
fn together(workers: &mut [Worker]) -> f64 {
    workers.iter_mut().for_each(|worker| worker.tell(&Order::For(TURN)));
    let asked: u64 = workers.iter_mut().map(Worker::hear).sum();
    asked as f64 / TURN.as_secs_f64()
}
