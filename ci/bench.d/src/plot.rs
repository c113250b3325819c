//! The plots: what a question costs over the number of mounts.

use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use crate::contest::{Figure, Ratio};
use crate::figures::{Figures, Size, find};

/// Which peers are in a plot, beside figures of ours and of the bare calls.
type Peers = fn(&Size) -> &[Figure];

/// File name, title, and who is in it.
const PLOTS: [(&str, &str, &[&str], Peers); 3] = [
    ("peers.svg", "Is it mounted? mountguard and its peers", &["presence"], |size| &size.peers_is_mounted),
    ("create.svg", "May it be created? mountguard and its peers", &["verdict, to be created"], |size| {
        &size.peers_may_create
    }),
    (
        "ours.svg",
        "mountguard and the bare system calls of the same questions",
        &[
            "presence",
            "verdict",
            "verdict in C",
            "verdict, to be created",
            "verdict, to be created, in C",
            "permit",
            "getppid in C",
        ],
        |_| &[],
    ),
];

const SIZE: (u32, u32) = (900, 520);

/// Beyond the largest number there is room for the legend.
const MOUNTS: Range<f64> = 15.0..400_000.0;

/// Draws all of them into a directory.
pub(crate) fn draw(figures: &Figures, directory: &Path) {
    let Some(questions) = &figures.questions else { return };
    // Peers are measured with the smallest registry only, and it is drawn for all.
    let smallest = questions.measured.iter().map(|size| size.registered).min().unwrap_or_default();
    let sizes: Vec<&Size> = questions.measured.iter().filter(|size| size.registered == smallest).collect();
    for (file, title, names, peers) in PLOTS {
        let theirs = sizes.first().map_or(&[] as &[_], |size| peers(size));
        let names = names.iter().copied().chain(theirs.iter().map(|figure| figure.name.as_str()));
        let lines: Vec<Line<'_>> = names.map(|name| Line::of(name, &sizes, peers)).collect();
        let path = directory.join(file);
        let title = format!("{title}, Linux {}", questions.run.kernel);
        draw_one(&lines, &path, &title).unwrap_or_else(|error| panic!("draw {path:?}: {error}"));
    }
}

/// One line of a plot.
struct Line<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
}

impl<'a> Line<'a> {
    fn of(name: &'a str, sizes: &[&Size], peers: Peers) -> Self {
        let ratio = |size: &Size| -> Option<Ratio> { size.ratio(name).or_else(|| find(peers(size), name)) };
        let point = |size: &&Size| Some((size.mounts as f64, ratio(size)?.median));
        Line { name, points: sizes.iter().filter_map(point).collect() }
    }
}

fn draw_one(lines: &[Line<'_>], path: &Path, title: &str) -> Result<(), Box<dyn std::error::Error>> {
    let values = lines.iter().flat_map(|line| &line.points).map(|(_, ratio)| *ratio);
    let highest = values.fold(1.0, f64::max);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(MOUNTS.log_scale(), (0.1..highest * 3.0).log_scale())?;
    let exact = |value: &f64| value.to_string();
    let (x, y) = ("mounts (logarithmic)", "multiple of one statx (logarithmic)");
    chart.configure_mesh().x_desc(x).y_desc(y).x_label_formatter(&exact).y_label_formatter(&exact).draw()?;
    for (number, (line, left)) in lines.iter().zip((0..lines.len()).rev()).enumerate() {
        let colour = Palette99::pick(number).to_rgba();
        // Some lie on each other: those drawn first are the broader ones.
        let width = 2 + u32::try_from(left)?;
        let series = LineSeries::new(line.points.clone(), colour.stroke_width(width)).point_size(3);
        chart
            .draw_series(series)?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}
