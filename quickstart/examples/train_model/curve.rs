//! The loss curve as a drawing.

use crate::Failure;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
/// Left and below, for the numbers.
const MARGIN: f64 = 48.0;

/// Draws the lines `step,loss` of one file into another, losses on a logarithmic axis.
pub fn draw(csv: &Path, svg: &Path) -> Result<(), Failure> {
    let mut points = Vec::new();
    for line in fs::read_to_string(csv)?.lines() {
        let (step, loss) = line.split_once(',').ok_or("a line of the losses has no comma")?;
        points.push((step.parse::<f64>()?, loss.parse::<f64>()?));
    }
    let last = points.iter().map(|p| p.0).fold(1.0, f64::max);
    let (low, high) =
        points.iter().fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.1), high.max(p.1)));
    let (low, high) = (low.log2().floor(), high.log2().ceil());
    let x = |step: f64| MARGIN + step / last * (WIDTH - 1.5 * MARGIN);
    let y = |log: f64| HEIGHT - MARGIN - (log - low) / (high - low).max(1.0) * (HEIGHT - 1.5 * MARGIN);

    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut log = low;
    while log <= high {
        writeln!(
            text,
            "<path d=\"M{:.1} {:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            x(0.0),
            y(log),
            x(last),
            MARGIN - 6.0,
            y(log) + 4.0,
            log.exp2()
        )?;
        log += 1.0;
    }
    for quarter in 0..=4 {
        let step = last * f64::from(quarter) / 4.0;
        let below = HEIGHT - MARGIN + 18.0;
        writeln!(text, "<text x=\"{:.1}\" y=\"{below}\" text-anchor=\"middle\">{step:.0}</text>", x(step))?;
    }
    let line: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1.log2()))).collect();
    writeln!(
        text,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f77b4\" stroke-width=\"1.5\"/>",
        line.join(" ")
    )?;
    let middle = (x(0.0) + x(last)) / 2.0;
    writeln!(text, "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">step</text>", HEIGHT - 12.0)?;
    writeln!(text, "<text x=\"12\" y=\"16\">loss, nats a token (weighted)</text>\n</svg>")?;
    Ok(fs::write(svg, text)?)
}
