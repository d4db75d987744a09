//! The chart of a run: what the undisturbed peers used over the time, and what all of them cost.

use super::readings::{Kind, Reading, median};
use anyhow::anyhow;
use plotters::{
    coord::Shift,
    prelude::{
        ChartBuilder, DrawingArea, IntoDrawingArea, LineSeries, PathElement, Polygon, RGBColor, SVGBackend,
        SeriesLabelPosition, WHITE,
    },
    style::{BLACK, Color},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

const SIZE: (u32, u32) = (900, 1080);
const BLUE: RGBColor = RGBColor(37, 99, 235);
const ORANGE: RGBColor = RGBColor(217, 119, 6);
/// Room above the highest value.
const HEADROOM: f64 = 1.15;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A value for every moment, in minutes.
type Line = Vec<(f64, f64)>;

/// One of the pictures that stand below each other.
struct Panel {
    caption: &'static str,
    /// From the least to the greatest of all peers.
    band: Option<(Line, Line)>,
    lines: Vec<(&'static str, RGBColor, Line)>,
}

/// Draws the readings of a run into an SVG file.
///
/// # Errors
/// If it cannot be written, or there is nothing to draw.
pub fn draw(readings: &[Reading], file: &Path) -> anyhow::Result<()> {
    let peers: BTreeSet<_> = readings.iter().map(|reading| reading.peer).collect();
    let steady: Vec<_> = readings.iter().filter(|reading| reading.kind == Kind::Steady).copied().collect();
    let last = readings.last().ok_or_else(|| anyhow!("there is nothing to draw"))?;
    let title =
        format!("{} peers, {} edits in {} minutes", peers.len(), last.edits, last.second.div_ceil(60));
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(drawing)?;
    let root = root.titled(&title, ("sans-serif", 22)).map_err(drawing)?;
    let panels = [memory(&steady), descriptors(&steady), threads(&steady), processor(readings)];
    for (panel, area) in panels.iter().zip(root.split_evenly((panels.len(), 1))) {
        panel.draw(&area)?;
    }
    root.present().map_err(drawing)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn drawing(error: impl ToString) -> anyhow::Error {
    anyhow!("drawing: {}", error.to_string())
}

fn memory(steady: &[Reading]) -> Panel {
    let mib = |kib: u64| kib as f64 / 1024.0;
    let own = |reading: &Reading| reading.used.own_kib;
    Panel {
        caption: "Memory of an undisturbed peer, MiB",
        band: Some(band(steady, own, mib)),
        lines: vec![
            ("its own and of files, median", ORANGE, medians(steady, |one| one.used.resident_kib, mib)),
            ("its own, median and all", BLUE, medians(steady, own, mib)),
        ],
    }
}

fn descriptors(steady: &[Reading]) -> Panel {
    let (all, sockets) = (|one: &Reading| one.used.descriptors, |one: &Reading| one.used.sockets);
    let count = |count: u64| count as f64;
    Panel {
        caption: "Open descriptors of an undisturbed peer",
        band: Some(band(steady, all, count)),
        lines: vec![
            ("all, median and all peers", BLUE, medians(steady, all, count)),
            ("sockets, median", ORANGE, medians(steady, sockets, count)),
        ],
    }
}

fn threads(steady: &[Reading]) -> Panel {
    let threads = |one: &Reading| one.used.threads;
    Panel {
        caption: "Threads of an undisturbed peer",
        band: Some(band(steady, threads, |count| count as f64)),
        lines: vec![("median and all", BLUE, medians(steady, threads, |count| count as f64))],
    }
}

fn processor(readings: &[Reading]) -> Panel {
    Panel {
        caption: "Processor time of all peers together, % of one core",
        band: None,
        lines: vec![("all", BLUE, cost(readings))],
    }
}

/// The readings of every moment.
fn moments(readings: &[Reading]) -> BTreeMap<u64, Vec<&Reading>> {
    let mut moments: BTreeMap<u64, Vec<&Reading>> = BTreeMap::new();
    for reading in readings {
        moments.entry(reading.second).or_default().push(reading);
    }
    moments
}

fn line(readings: &[Reading], value: impl Fn(&[&Reading]) -> f64) -> Line {
    let moments = moments(readings);
    moments.iter().map(|(second, readings)| (*second as f64 / 60.0, value(readings))).collect()
}

fn medians(readings: &[Reading], value: fn(&Reading) -> u64, scale: fn(u64) -> f64) -> Line {
    line(readings, |moment| scale(median(moment.iter().map(|one| value(one)).collect())))
}

fn band(readings: &[Reading], value: fn(&Reading) -> u64, scale: fn(u64) -> f64) -> (Line, Line) {
    let least = line(readings, |moment| scale(moment.iter().map(|one| value(one)).min().unwrap_or(0)));
    let most = line(readings, |moment| scale(moment.iter().map(|one| value(one)).max().unwrap_or(0)));
    (least, most)
}

/// What all used from each moment to the next, in percent of one core.
fn cost(readings: &[Reading]) -> Line {
    let mut before: BTreeMap<usize, u64> = BTreeMap::new();
    let mut since = None;
    let mut line = Line::new();
    for (second, moment) in moments(readings) {
        let mut used_ms = 0;
        for one in moment {
            let past = before.insert(one.peer, one.used.cpu_ms).unwrap_or(0);
            // A peer that was started again counts from nothing.
            used_ms += one.used.cpu_ms.checked_sub(past).unwrap_or(one.used.cpu_ms);
        }
        if let Some(since) = since.replace(second) {
            line.push((second as f64 / 60.0, used_ms as f64 / 10.0 / (second - since) as f64));
        }
    }
    line
}

impl Panel {
    fn draw(&self, area: &Area<'_>) -> anyhow::Result<()> {
        let most = self.band.iter().map(|(_, most)| most).chain(self.lines.iter().map(|(_, _, line)| line));
        let (x, y) =
            most.flatten().fold((0.1_f64, 1.0_f64), |(x, y), point| (x.max(point.0), y.max(point.1)));
        let mut chart = ChartBuilder::on(area)
            .caption(self.caption, ("sans-serif", 16))
            .margin(8)
            .x_label_area_size(28)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..x, 0.0..y * HEADROOM)
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_labels(13)
            .y_labels(6)
            .x_label_formatter(&|minute| format!("{minute:.0} min"))
            .draw()
            .map_err(drawing)?;
        if let Some((least, most)) = &self.band {
            let outline = most.iter().chain(least.iter().rev()).copied();
            let filled = Polygon::new(outline.collect::<Vec<_>>(), BLUE.mix(0.15));
            chart.draw_series([filled]).map_err(drawing)?;
        }
        for (name, colour, line) in &self.lines {
            let series = LineSeries::new(line.iter().copied(), colour.stroke_width(2));
            let mark = |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2));
            chart.draw_series(series).map_err(drawing)?.label(*name).legend(mark);
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.2))
            .draw()
            .map_err(drawing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::gauge::Use;

    fn reading(second: u64, peer: usize, cpu_ms: u64) -> Reading {
        let used = Use { cpu_ms, own_kib: 1024 * peer as u64, ..Use::default() };
        Reading { second, edits: second, peer, kind: Kind::Steady, used }
    }

    #[test]
    fn what_all_use_counts_those_that_started_again() {
        let readings = [reading(0, 1, 500), reading(0, 2, 500), reading(10, 1, 1_500), reading(10, 2, 1_000)];
        assert_eq!(cost(&readings), [(10.0 / 60.0, 15.0)]);
    }

    #[test]
    fn the_band_reaches_from_the_least_to_the_most() {
        let readings = [reading(60, 3, 0), reading(60, 1, 0), reading(60, 7, 0)];
        let panel = memory(&readings);
        assert_eq!(panel.band, Some((vec![(1.0, 1.0)], vec![(1.0, 7.0)])));
        assert_eq!(panel.lines[1].2, [(1.0, 3.0)]);
    }

    #[test]
    fn the_chart_is_a_picture_of_all_four() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chart.svg");
        assert!(draw(&[], &file).is_err());
        let readings: Vec<_> = (0..20).map(|n| reading(n * 10, (n % 2) as usize, n * 100)).collect();
        draw(&readings, &file).unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{text}");
        for caption in ["Memory", "descriptors", "Threads", "Processor", "2 peers, 190 edits in 4 minutes"] {
            assert!(text.contains(caption), "{caption}");
        }
    }
}
