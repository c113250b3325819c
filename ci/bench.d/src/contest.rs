//! Measuring many things against one: interleaved, so that whatever else the machine does meets all alike.

use std::time::Duration;

/// How often each is measured. The median and the quartiles of the ratios are what is told.
const ROUNDS: usize = 15;

/// How long one measurement should take at least.
const SPAN: Duration = Duration::from_millis(4);

/// Something that can be repeated so many times, and says how much processor time that took.
pub(crate) type Repeat<'a> = Box<dyn FnMut(u64) -> Duration + 'a>;

/// One of the things compared.
pub(crate) struct Contestant<'a> {
    pub name: &'static str,
    pub repeat: Repeat<'a>,
}

/// A multiple of the yardstick.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    pub median: f64,
    pub lower_quartile: f64,
    pub upper_quartile: f64,
}

impl Ratio {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: usize| values[(values.len() - 1) * part / 4];
        Ratio { median: at(2), lower_quartile: at(1), upper_quartile: at(3) }
    }
}

/// What was measured of one contestant.
pub(crate) struct Figure {
    pub name: &'static str,
    pub nanoseconds: f64,
    pub ratio: Ratio,
}

/// Measures all, the first one being the yardstick of all.
pub(crate) fn compare(mut contestants: Vec<Contestant<'_>>) -> Vec<Figure> {
    let repetitions: Vec<u64> = contestants.iter_mut().map(|one| calibrate(&mut one.repeat)).collect();
    let mut samples = vec![Vec::new(); contestants.len()];
    for _ in 0..ROUNDS {
        for ((one, count), samples) in contestants.iter_mut().zip(&repetitions).zip(&mut samples) {
            samples.push(nanoseconds((one.repeat)(*count)) / *count as f64);
        }
    }
    let yardstick = samples[0].clone();
    let figure = |(one, samples): (Contestant<'_>, Vec<f64>)| {
        let ratios = samples.iter().zip(&yardstick).map(|(sample, yardstick)| sample / yardstick).collect();
        Figure { name: one.name, nanoseconds: Ratio::of(samples).median, ratio: Ratio::of(ratios) }
    };
    contestants.into_iter().zip(samples).map(figure).collect()
}

/// How often to repeat so that it takes long enough to be measured.
fn calibrate(repeat: &mut Repeat<'_>) -> u64 {
    let mut count = 1;
    loop {
        let took = repeat(count);
        if took >= SPAN {
            return count;
        }
        let factor = nanoseconds(SPAN) / nanoseconds(took.max(Duration::from_nanos(1)));
        count = ((count as f64) * factor.clamp(1.2, 100.0)).ceil() as u64;
    }
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}
