//! Draws latencies: for each measurement a line from the median to the slowest
//! of 100 000 answers.

use std::fmt::Write;

use super::generator::Measurements;

const WIDTH: u32 = 960;
const HEIGHT: u32 = 540;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 300.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 60.0;

/// How many nines the axis shows: 0 is the slowest of 1 answer, 5 is the
/// slowest of 100 000.
const NINES_MAX: f64 = 5.0;

const COLOURS: [&str; 8] =
    ["#555555", "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b"];

/// Draws the lines, each with its title.
#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a picture")]
pub fn draw(lines: &[(String, &Measurements)]) -> String {
    let slowest = lines
        .iter()
        .map(|(_, measurements)| measurements.micros_max())
        .max()
        .unwrap_or(1)
        .max(1000);
    // A logarithmic scale, from a tenth of a millisecond to above the slowest
    // answer.
    let decades = (slowest as f64 / 100.0).log10().ceil().max(1.0);
    let across = f64::from(WIDTH) - LEFT - RIGHT;
    let down = f64::from(HEIGHT) - TOP - BOTTOM;
    let x = |nines: f64| LEFT + across * nines / NINES_MAX;
    let y = |micros: f64| TOP + down * (1.0 - (micros.max(100.0) / 100.0).log10() / decades);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (nines, label) in [
        (std::f64::consts::LOG10_2, "50 %"),
        (1.0, "90 %"),
        (2.0, "99 %"),
        (3.0, "99.9 %"),
        (4.0, "99.99 %"),
        (5.0, "99.999 %"),
    ] {
        let (x, bottom) = (x(nines), f64::from(HEIGHT) - BOTTOM);
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#dddddd\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            bottom + 20.0
        );
    }
    let mut micros = 100_u64;
    while micros as f64 <= 100.0 * 10_f64.powf(decades) {
        let y = y(micros as f64);
        let label = if micros < 1000 { "0.1".to_owned() } else { (micros / 1000).to_string() };
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label} ms</text>",
            LEFT + across,
            LEFT - 8.0,
            y + 4.0
        );
        micros *= 10;
    }
    for ((title, measurements), place) in lines.iter().zip(0_u32..) {
        let colour = COLOURS[place as usize % COLOURS.len()];
        let points: Vec<String> = (0..=50)
            .map(|step| f64::from(step) / 10.0)
            .filter(|nines| measurements.answers() as f64 >= 10_f64.powf(*nines))
            .map(|nines| {
                let micros = measurements.micros_at(1.0 - 10_f64.powf(-nines));
                format!("{:.1},{:.1}", x(nines), y(micros as f64))
            })
            .collect();
        let legend = TOP + 16.0 + 20.0 * f64::from(place);
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{legend:.1}\" fill=\"{colour}\" font-size=\"11\">{}</text>",
            points.join(" "),
            LEFT + across + 14.0,
            title.replace('&', "&amp;").replace('<', "&lt;")
        );
    }
    svg.push_str("</svg>\n");
    svg
}
