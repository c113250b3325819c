//! Measuring many things against one yardstick, so that what else the machine does falls out.
//!
//! A machine changes its speed, by a third and more, many times a second: with its clock, with what runs beside it
//! and, if it is a virtual one, with its neighbours. So a short turn of the yardstick comes before and after each
//! turn of anything else, all on one processor, and a sample is the ratio of a turn to the two that enclose it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The fewest turns of each.
const TURNS: usize = 15;

/// How long one question is measured in all, unless the fewest turns take longer.
pub(crate) const ENOUGH: Duration = Duration::from_millis(120);

/// How long a turn should take at least.
pub(crate) const TURN: Duration = Duration::from_millis(1);

/// Something that can be repeated so many times, and says how much processor time that took. It warms up before.
pub(crate) type Repeat<'a> = Box<dyn FnMut(u64) -> Duration + 'a>;

/// One of the things compared.
pub(crate) struct Contestant<'a> {
    pub name: &'static str,
    pub repeat: Repeat<'a>,
}

/// A multiple of the yardstick: the median of all turns, and the quartiles.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Ratio {
    pub lower_quartile: f64,
    pub median: f64,
    pub upper_quartile: f64,
}

impl Ratio {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: usize| values[(values.len() - 1) * part / 4];
        Ratio { lower_quartile: at(1), median: at(2), upper_quartile: at(3) }
    }
}

/// What was measured of one contestant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub name: String,
    pub nanoseconds: f64,
    pub ratio: Ratio,
}

/// The yardstick, and how often it is repeated in a turn.
pub(crate) struct Yardstick<'a> {
    repeat: Repeat<'a>,
    count: u64,
    turns: Vec<f64>,
}

impl<'a> Yardstick<'a> {
    pub(crate) fn new(mut repeat: Repeat<'a>, turn: Duration) -> Self {
        let count = calibrate(&mut repeat, turn);
        Yardstick { repeat, count, turns: Vec::new() }
    }

    /// Nanoseconds of one, as of now.
    pub(crate) fn measure(&mut self) -> f64 {
        let nanoseconds = turn(&mut self.repeat, self.count);
        self.turns.push(nanoseconds);
        nanoseconds
    }

    /// Nanoseconds of one, in the median of all turns.
    pub(crate) fn nanoseconds(&self) -> f64 {
        Ratio::of(self.turns.clone()).median
    }
}

/// Measures all of them, each in as many turns as it takes until it was measured for long `enough`.
pub(crate) fn compare(
    yardstick: &mut Yardstick<'_>,
    contestants: Vec<Contestant<'_>>,
    enough: Duration,
) -> Vec<Figure> {
    let measured = contestants.into_iter().map(|mut contestant| {
        let count = calibrate(&mut contestant.repeat, TURN);
        Measured::new(contestant, count)
    });
    take_turns(yardstick, measured.collect(), enough)
}

/// The same, where all do the same: as often in a turn as the yardstick, so that what only the first of a turn costs is
/// in all of them alike.
pub(crate) fn compare_alike(
    yardstick: &mut Yardstick<'_>,
    contestants: Vec<Contestant<'_>>,
    enough: Duration,
) -> Vec<Figure> {
    let count = yardstick.count;
    let measured = contestants.into_iter().map(|contestant| Measured::new(contestant, count));
    take_turns(yardstick, measured.collect(), enough)
}

fn take_turns(yardstick: &mut Yardstick<'_>, mut all: Vec<Measured<'_>>, enough: Duration) -> Vec<Figure> {
    let mut before = yardstick.measure();
    while all.iter().any(|one| one.wants_another(enough)) {
        for one in all.iter_mut().filter(|one| one.wants_another(enough)) {
            let nanoseconds = turn(&mut one.contestant.repeat, one.count);
            let after = yardstick.measure();
            one.nanoseconds.push(nanoseconds);
            one.ratios.push(nanoseconds / f64::midpoint(before, after));
            before = after;
        }
    }
    all.into_iter().map(Measured::figure).collect()
}

struct Measured<'a> {
    contestant: Contestant<'a>,
    count: u64,
    nanoseconds: Vec<f64>,
    ratios: Vec<f64>,
}

impl<'a> Measured<'a> {
    fn new(contestant: Contestant<'a>, count: u64) -> Self {
        Measured { contestant, count, nanoseconds: Vec::new(), ratios: Vec::new() }
    }

    fn wants_another(&self, enough: Duration) -> bool {
        let spent = self.nanoseconds.iter().sum::<f64>() * self.count as f64;
        self.ratios.len() < TURNS || spent < enough.as_nanos() as f64
    }

    fn figure(self) -> Figure {
        let name = self.contestant.name.to_owned();
        let nanoseconds = Ratio::of(self.nanoseconds).median;
        Figure { name, nanoseconds, ratio: Ratio::of(self.ratios) }
    }
}

/// Nanoseconds of one repetition.
fn turn(repeat: &mut Repeat<'_>, count: u64) -> f64 {
    repeat(count).as_nanos() as f64 / count as f64
}

/// How often to repeat so that it takes so long.
fn calibrate(repeat: &mut Repeat<'_>, span: Duration) -> u64 {
    let mut count = 1;
    loop {
        let took = repeat(count);
        if took >= span {
            return count;
        }
        let factor = span.as_nanos() as f64 / took.max(Duration::from_nanos(1)).as_nanos() as f64;
        count = ((count as f64) * factor.clamp(1.2, 100.0)).ceil() as u64;
    }
}
