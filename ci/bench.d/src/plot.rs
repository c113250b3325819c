//! The plots: what a question costs over the number of mounts.

use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use crate::figures::{Figures, Size};

/// File name, title, and who is in it.
const PLOTS: [(&str, &str, &[&str]); 2] = [
    (
        "peers.svg",
        "Is it mounted? mountguard and its peers",
        &[
            "presence",
            "openat2 without crossing",
            "Python os.path.ismount",
            "libmount",
            "procfs crate",
            "first Dovecot's rule",
            "mountpoint -q",
            "findmnt --target",
        ],
    ),
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
            "permit in C",
            "getppid in C",
        ],
    ),
];

const SIZE: (u32, u32) = (900, 520);

/// Beyond the largest number there is room for the legend.
const MOUNTS: Range<f64> = 15.0..400_000.0;

/// Draws all of them into a directory.
pub(crate) fn draw(figures: &Figures, directory: &Path) {
    for (file, title, names) in PLOTS {
        let path = directory.join(file);
        draw_one(figures, &path, title, names).unwrap_or_else(|error| panic!("draw {path:?}: {error}"));
    }
}

fn draw_one(
    figures: &Figures,
    path: &Path,
    title: &str,
    names: &[&str],
) -> Result<(), Box<dyn std::error::Error>> {
    // Peers are measured with the smallest registry only, and it is drawn for all.
    let smallest = figures.sizes.iter().map(|size| size.registered).min().unwrap_or_default();
    let sizes: Vec<&Size> = figures.sizes.iter().filter(|size| size.registered == smallest).collect();
    let points = |name: &str| -> Vec<(f64, f64)> {
        let point = |size: &&Size| Some((size.mounts as f64, size.ratio(name)?.median));
        sizes.iter().filter_map(point).collect()
    };
    let highest =
        names.iter().flat_map(|name| points(name)).fold(1.0, |high: f64, (_, ratio)| high.max(ratio));
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(MOUNTS.log_scale(), (0.1..highest * 3.0).log_scale())?;
    chart.configure_mesh().x_desc("mounts").y_desc("multiple of one statx").draw()?;
    for (number, name) in names.iter().enumerate() {
        let colour = Palette99::pick(number).to_rgba();
        let series = LineSeries::new(points(name), colour.stroke_width(2)).point_size(3);
        chart
            .draw_series(series)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
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
