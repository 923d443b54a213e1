//! Makes the table behind `q` and the weights behind `q=auto`, and says how well they hold.
//!
//! ```sh
//! cargo build --release -p afterimage-imaging --example equal_quality
//! target/release/examples/equal_quality sweep OUT.tsv FORMATS WIDTHS PICTURE…   # such as jpeg,webp,avif420,avif444 256,640,1280
//! target/release/examples/equal_quality fit SWEEP.tsv…                          # the table and the weights, with their errors
//! target/release/examples/equal_quality check WIDTHS PICTURE…                   # what the build's own table and weights come to
//! ```
//! A sweep encodes every picture at every width with many settings of each encoder, and scores each beside the encoder's own
//! input, so that decoding and scaling have no part in it. One line a file: picture, width, format, setting, bytes, score, and for
//! JPEG what `q=auto` sees.

#[path = "scoring/references.rs"]
mod references;
mod scoring;

use std::collections::BTreeMap;
use std::io::Write;

use afterimage_imaging::{Chroma, Never, QualityScale, Settings, measuring, render};
use measuring::Quantisers;
use references::references;
use scoring::{Reference, pixels, variant};

const USAGE: &str = "equal_quality sweep OUT FORMATS WIDTHS PICTURE… | fit SWEEP… | check WIDTHS PICTURE…";

/// Qualities on each encoder's own scale.
const SETTINGS: [u8; 16] = [5, 10, 20, 30, 40, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100];

/// Where the table has a value: the qualities of `quality.rs`.
const ANCHORS: [u8; 12] = [10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["sweep", out, formats, widths, pictures @ ..] => sweep(out, formats, widths, pictures),
        ["fit", sweeps @ ..] => fit(sweeps),
        ["check", widths, pictures @ ..] => check(widths, pictures),
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(2);
        }
    }
}

/// The settings and the query of a format's name, such as `avif444-s9` or `webp-m6`.
fn encoder(format: &str) -> (Settings, &str) {
    let base = Settings { quality_scale: QualityScale::Encoder, ..Settings::default() };
    let (name, option) = format.split_once('-').unwrap_or((format, ""));
    let number = |prefix| option.strip_prefix(prefix).map(|text: &str| text.parse().expect("a number"));
    let base = Settings {
        avif_speed: number("s").unwrap_or(base.avif_speed),
        webp_method: number("m").unwrap_or(base.webp_method),
        ..base
    };
    match name {
        "avif420" => (Settings { avif_chroma: Chroma::Halved, ..base }, "avif"),
        "avif444" => (Settings { avif_chroma: Chroma::Whole, ..base }, "avif"),
        "avif" => (base, "avif"),
        "annexk" | "jpeg" => (base, "jpg"),
        "webp" => (base, "webp"),
        "png8" => (base, "png8"),
        other => panic!("no format {other}"),
    }
}

fn sweep(out: &str, formats: &str, widths: &str, pictures: &[&str]) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(out).expect("a file to write"));
    for (picture, width, file, reference) in references(widths, pictures) {
        let (luma, chroma) = measuring::halving_loss(width, reference.height, &reference.data).expect("whole");
        let scored = Reference::new(&reference);
        for format in formats.split(',') {
            let (settings, fm) = encoder(format);
            for setting in SETTINGS {
                let quantisers = match format {
                    // JPEG by the standard's tables is the measure of all.
                    "annexk" => Some(Quantisers::annex_k(setting)),
                    "jpeg" => Some(Quantisers::fitted(setting.into())),
                    _ => None,
                };
                let made = match &quantisers {
                    Some(quantisers) => {
                        measuring::jpeg(width, reference.height, &reference.data, quantisers).expect("encodes")
                    }
                    None => {
                        let query = variant(&format!("fm={fm}&q={setting}"));
                        render(&file, &query, &settings, &Never).expect("renders").bytes
                    }
                };
                let score = scored.score(&pixels(&made));
                let facts = format!("{}\t{score:.3}\t{luma:.3}\t{chroma:.3}", made.len());
                write!(out, "{picture}\t{width}\t{format}\t{setting}\t{facts}").expect("writes");
                if let Some(quantisers) = &quantisers {
                    let seen =
                        measuring::features(width, reference.height, &reference.data, quantisers).expect("whole");
                    seen.iter().for_each(|value| write!(out, "\t{value:.6}").expect("writes"));
                }
                writeln!(out).expect("writes");
            }
        }
        out.flush().expect("writes");
    }
}

/// One picture's line of a format: what a setting comes to.
#[derive(Clone, Debug)]
struct Made {
    setting: f64,
    bytes: f64,
    score: f64,
    seen: Vec<f64>,
}

/// Picture and width.
type Place = (String, u32);

/// What was made of each picture in each format.
type Sweep = BTreeMap<String, BTreeMap<Place, Vec<Made>>>;

/// Sweeps together, and what halving takes from luma and from chroma of each picture.
fn read(sweeps: &[&str]) -> (Sweep, BTreeMap<Place, (f64, f64)>) {
    let (mut formats, mut losses) = (Sweep::new(), BTreeMap::new());
    for sweep in sweeps {
        for line in std::fs::read_to_string(sweep).expect("a sweep").lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let number = |at: usize| fields[at].parse::<f64>().expect("a number");
            let place = (fields[0].to_owned(), number(1) as u32);
            let seen = (8..fields.len()).map(number).collect();
            let made = Made { setting: number(3), bytes: number(4), score: number(5), seen };
            losses.insert(place.clone(), (number(6), number(7)));
            formats.entry(fields[2].to_owned()).or_default().entry(place).or_default().push(made);
        }
    }
    (formats, losses)
}

/// The value of `of` where `by` reaches `at`, between the two measurements around it; `None` outside of them.
fn crossing(made: &[Made], at: f64, by: impl Fn(&Made) -> f64, of: impl Fn(&Made) -> f64) -> Option<f64> {
    made.windows(2).find(|pair| by(&pair[0]) <= at && at <= by(&pair[1]) && by(&pair[0]) < by(&pair[1])).map(|pair| {
        let part = (at - by(&pair[0])) / (by(&pair[1]) - by(&pair[0]));
        of(&pair[0]) + (of(&pair[1]) - of(&pair[0])) * part
    })
}

fn score_at(made: &[Made], setting: f64) -> f64 {
    crossing(made, setting, |made| made.setting, |made| made.score).expect("within what was swept")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Mean and worst of absolute values.
fn errors(values: &[f64]) -> (f64, f64) {
    let worst = values.iter().fold(0.0f64, |worst, value| worst.max(value.abs()));
    (values.iter().map(|value| value.abs()).sum::<f64>() / values.len().max(1) as f64, worst)
}

fn fit(sweeps: &[&str]) {
    let (formats, losses) = read(sweeps);
    let anchor = &formats["annexk"];
    println!("{} pictures at their widths", anchor.len());
    for (format, places) in formats.iter().filter(|(format, _)| *format != "annexk") {
        let table = fit_format(format, places, anchor);
        if format == "jpeg" {
            // Its loss is told from its own tables, so that its own scale is the one that counts.
            let own: Table = ANCHORS.map(|anchor| (f64::from(anchor), f64::from(anchor))).to_vec();
            fit_auto(format, places, places, &own);
        } else {
            fit_auto(format, places, anchor, &table);
        }
    }
    if let (Some(halved), Some(whole)) = (formats.get("avif420"), formats.get("avif444")) {
        compare_chroma(halved, whole, &losses);
    }
}

/// Qualities on the one scale and an encoder's own.
type Table = Vec<(f64, f64)>;

/// For each anchor the setting whose scores are nearest to JPEG's, and how near.
fn fit_format(format: &str, places: &BTreeMap<Place, Vec<Made>>, jpeg: &BTreeMap<Place, Vec<Made>>) -> Table {
    let mut table = Table::new();
    println!(
        "\n{format}: quality, JPEG's mean score, setting, error as it was (mean, worst), error now (mean, worst), bytes beside JPEG"
    );
    for anchor in ANCHORS {
        let wanted: Vec<(&Vec<Made>, &Vec<Made>, f64)> = places
            .iter()
            .filter_map(|(place, made)| jpeg.get(place).map(|jpeg| (made, jpeg, score_at(jpeg, anchor.into()))))
            .collect();
        let of = |setting: f64| -> Vec<f64> {
            wanted.iter().map(|(made, _, wanted)| score_at(made, setting) - wanted).collect()
        };
        // The mean of the differences is nought here: nobody's format is favoured.
        let mean = |setting: f64| of(setting).iter().sum::<f64>() / wanted.len() as f64;
        let (mut low, mut high) = (5.0, 100.0);
        for _ in 0..40 {
            let middle = (low + high) / 2.0;
            if mean(middle) < 0.0 { low = middle } else { high = middle }
        }
        table.push((anchor.into(), low));
        let (before, now) = (errors(&of(anchor.into())), errors(&of(low)));
        let bytes = median(
            wanted
                .iter()
                .filter_map(|(made, jpeg, score)| {
                    let bytes = |made: &[Made]| crossing(made, *score, |made| made.score, |made| made.bytes);
                    Some(bytes(made)? / bytes(jpeg)?)
                })
                .collect(),
        );
        let jpegs = wanted.iter().map(|(_, _, score)| score).sum::<f64>() / wanted.len() as f64;
        println!(
            "{anchor}\t{jpegs:.1}\t{low:.1}\t{:.1} {:.1}\t{:.1} {:.1}\t{:.2}",
            before.0, before.1, now.0, now.1, bytes
        );
    }
    table
}

/// Bytes at equal score with whole and with halved chroma, by how much detail chroma has.
fn compare_chroma(
    halved: &BTreeMap<Place, Vec<Made>>,
    whole: &BTreeMap<Place, Vec<Made>>,
    losses: &BTreeMap<Place, (f64, f64)>,
) {
    println!(
        "\nchroma: its loss by halving beside luma's, and by itself, picture, bytes of 4:4:4 beside 4:2:0 at scores of 60, 70, 80; \
         best score of 4:2:0"
    );
    let mut lines: Vec<((f64, f64), String)> = halved
        .iter()
        .filter_map(|(place, halved)| {
            let whole = whole.get(place)?;
            let ratio = |score: f64| {
                let bytes = |made: &[Made]| crossing(made, score, |made| made.score, |made| made.bytes);
                match (bytes(whole), bytes(halved)) {
                    (Some(whole), Some(halved)) => format!("{:.2}", whole / halved),
                    _ => "-".to_owned(),
                }
            };
            let best = halved.last()?.score;
            let text = format!("{}@{}\t{}\t{}\t{}\t{best:.1}", place.0, place.1, ratio(60.0), ratio(70.0), ratio(80.0));
            Some((losses[place], text))
        })
        .collect();
    lines.sort_by(|a, b| (a.0.1 / a.0.0).total_cmp(&(b.0.1 / b.0.0)));
    lines.iter().for_each(|((luma, chroma), text)| println!("{:.2}\t{chroma:.2}\t{text}", chroma / luma));
}

/// SSIMULACRA2 takes the sum of its losses to this power.
const POWER: f64 = 0.627_633_653_831_436;

fn loss_of(score: f64) -> f64 {
    ((100.0 - score) / 10.0).max(0.0).powf(1.0 / POWER)
}

fn score_of(loss: f64) -> f64 {
    100.0 - 10.0 * loss.max(0.0).powf(POWER)
}

/// Weights that are never negative, so that more loss never means a better score: from what is seen of a picture at a quality to
/// the score of a format at that quality.
fn fit_auto(format: &str, places: &BTreeMap<Place, Vec<Made>>, jpeg: &BTreeMap<Place, Vec<Made>>, table: &Table) {
    let rows = |keeps: &dyn Fn(&Place) -> bool| -> Vec<(Vec<f64>, f64)> {
        let places = places.iter().filter(|(place, _)| keeps(place));
        let both = places.filter_map(|(place, made)| Some((made, jpeg.get(place)?)));
        let rows = both.flat_map(|(made, jpeg)| jpeg.iter().filter_map(move |seen| row(made, seen, table)));
        rows.collect()
    };
    let weights = least_squares(&rows(&|_| true));
    println!("\n{format}, weights of q=auto: {weights:.4?}");
    let (mut own, mut strange) = (Vec::new(), Vec::new());
    let pictures: std::collections::BTreeSet<&String> = places.keys().map(|place| &place.0).collect();
    for picture in pictures {
        let others = least_squares(&rows(&|place| place.0 != *picture));
        for (seen, score) in rows(&|place| place.0 == *picture) {
            own.push(expected(&weights, &seen) - score);
            strange.push(expected(&others, &seen) - score);
        }
    }
    let (own, strange) = (errors(&own), errors(&strange));
    println!(
        "error of the expected score (mean, worst): {:.1} {:.1}; of pictures that were left out of the fit: {:.1} {:.1}",
        own.0, own.1, strange.0, strange.1
    );
}

/// What is seen of a picture at a quality that `auto` may choose, and the score of a format there.
fn row(made: &[Made], jpeg: &Made, table: &Table) -> Option<(Vec<f64>, f64)> {
    if !(30.0..=95.0).contains(&jpeg.setting) {
        return None;
    }
    let around = table.windows(2).find(|pair| pair[0].0 <= jpeg.setting && jpeg.setting <= pair[1].0)?;
    let part = (jpeg.setting - around[0].0) / (around[1].0 - around[0].0);
    let setting = around[0].1 + (around[1].1 - around[0].1) * part;
    Some((jpeg.seen.iter().copied().chain([1.0]).collect(), score_at(made, setting)))
}

fn expected(weights: &[f64], seen: &[f64]) -> f64 {
    score_of(weights.iter().zip(seen).map(|(weight, value)| weight * value).sum())
}

/// Least squares without negative weights, by descending one weight after the other. Errors are weighed by what they are in score.
fn least_squares(rows: &[(Vec<f64>, f64)]) -> Vec<f64> {
    let count = rows[0].0.len();
    let weigh = |score: f64| 10.0 * POWER * loss_of(score).max(0.3).powf(POWER - 1.0);
    let rows: Vec<(Vec<f64>, f64)> = rows
        .iter()
        .map(|(seen, score)| {
            (seen.iter().map(|value| value * weigh(*score)).collect(), loss_of(*score) * weigh(*score))
        })
        .collect();
    let product = |a: usize, b: usize| rows.iter().map(|(seen, _)| seen[a] * seen[b]).sum::<f64>();
    let squares: Vec<Vec<f64>> = (0..count).map(|a| (0..count).map(|b| product(a, b)).collect()).collect();
    let wanted: Vec<f64> = (0..count).map(|a| rows.iter().map(|(seen, loss)| seen[a] * loss).sum()).collect();
    let mut weights = vec![0.0; count];
    for _ in 0..3_000 {
        for a in 0..count {
            let others: f64 = (0..count).filter(|b| *b != a).map(|b| squares[a][b] * weights[b]).sum();
            weights[a] = ((wanted[a] - others) / squares[a][a].max(1e-12)).max(0.0);
        }
    }
    weights
}

fn check(widths: &str, pictures: &[&str]) {
    let equal = Settings::default();
    let own = Settings { quality_scale: QualityScale::Encoder, ..Settings::default() };
    let mut before: BTreeMap<(u8, &str), Vec<f64>> = BTreeMap::new();
    let mut now = before.clone();
    let mut auto = Vec::new();
    for (picture, width, file, reference) in references(widths, pictures) {
        let scored = Reference::new(&reference);
        let made = |query: &str, settings: &Settings| {
            let made = render(&file, &variant(query), settings, &Never).expect("renders");
            (scored.score(&pixels(&made.bytes)), made)
        };
        for quality in [50, 65, 80, 90] {
            let jpeg = made(&format!("fm=jpg&q={quality}"), &equal).0;
            for format in ["webp", "avif"] {
                let query = format!("fm={format}&q={quality}");
                now.entry((quality, format)).or_default().push(made(&query, &equal).0 - jpeg);
                before.entry((quality, format)).or_default().push(made(&query, &own).0 - jpeg);
            }
        }
        for format in ["jpg", "webp", "avif"] {
            let (reached, chosen) = made(&format!("fm={format}&q=auto"), &equal);
            let (fixed, plain) = made(&format!("fm={format}&q=80"), &equal);
            println!(
                "{picture}@{width}\t{format}\tauto {reached:.1} in {}\tq=80 {fixed:.1} in {}\t{}",
                chosen.bytes.len(),
                plain.bytes.len(),
                chosen.chosen
            );
            let off = [reached, fixed].map(|score| score - f64::from(equal.auto_score));
            auto.push((format, [off[0], off[1], chosen.bytes.len() as f64 / plain.bytes.len() as f64]));
        }
    }
    println!(
        "\nquality, format: difference to JPEG's score on the encoders' own scales (mean, worst), on one scale (mean, worst)"
    );
    for (key, differences) in &now {
        let (own, one) = (errors(&before[key]), errors(differences));
        println!("{}\t{}\t{:.1} {:.1}\t{:.1} {:.1}", key.0, key.1, own.0, own.1, one.0, one.1);
    }
    println!(
        "\nformat: q=auto off the target (mean, worst), q=80 off it (mean, worst), bytes of auto beside q=80 (all together)"
    );
    for format in ["jpg", "webp", "avif"] {
        let of = |at: usize| -> Vec<f64> {
            auto.iter().filter(|(other, _)| *other == format).map(|(_, numbers)| numbers[at]).collect()
        };
        let (reached, fixed, bytes) = (errors(&of(0)), errors(&of(1)), of(2));
        let mean = bytes.iter().sum::<f64>() / bytes.len() as f64;
        println!("{format}\t{:.1} {:.1}\t{:.1} {:.1}\t{mean:.2}", reached.0, reached.1, fixed.0, fixed.1);
    }
}
