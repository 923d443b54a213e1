//! Values as URLs name them: mostly right for their parameter, often at the edge of its range, sometimes nothing like it.

use afterimage_rewrite::EdgePolicy;

use crate::random::Random;

const WORDS: &[&str] = &[
    "",
    "1",
    "0",
    "100",
    "abc",
    "-1",
    "1e3",
    "0x10",
    "99999999999",
    "true",
    "undefined",
    "NaN",
    "__proto__",
    "constructor",
    " 5",
    "5 ",
    "5%0A",
    "%0a",
    "1.5",
    ".5",
    "5.",
    "1,2",
    "\u{e9}",
];

fn number(random: &mut Random, most: usize) -> String {
    match random.below(12) {
        0 => format!("{}.{}", random.below(most), random.below(1_000)),
        1 => format!("0{}", random.below(most)),
        2 => (most + random.below(3)).saturating_sub(1).to_string(),
        3 => random.below(4).to_string(),
        _ => random.below(most).to_string(),
    }
}

fn side(random: &mut Random) -> String {
    let most = *random.of(&[&200, &700, &2_000, &4_000, &17_000, &1_100_000]);
    number(random, most)
}

/// A value that is mostly right for its parameter.
pub fn value(random: &mut Random, name: &str, policy: &EdgePolicy) -> String {
    if random.once_in(60) {
        return random.of(WORDS).to_owned();
    }
    match name {
        "w" | "h" => side(random),
        "max-w" | "max-h" | "min-w" | "min-h" => {
            let most = *random.of(&[&300, &2_000, &17_000]);
            number(random, most)
        }
        "ar" => match random.below(4) {
            0 => random
                .of(&[
                    "1:1",
                    "16:9",
                    "1.91:1",
                    "3:2",
                    "0.85:1",
                    "1:3",
                    "99:100",
                    "100:98.5",
                    "10000:1",
                    "1:10000",
                    "10001:1",
                    "1:0",
                    "4294967.295:1",
                    "4294967.296:1",
                    "16:9:1",
                    ":",
                    "1:",
                ])
                .to_owned(),
            _ => format!("{}:{}", 1 + random.below(22), 1 + random.below(22)),
        },
        "fit" => random
            .of(&[
                "clip", "max", "min", "crop", "cropmax", "fill", "fillmax", "scale", "scalemax", "clamp", "cover",
                "contain", "inside", "outside", "facearea",
            ])
            .to_owned(),
        "crop" => {
            let words: Vec<&str> = (0..1 + random.below(3))
                .map(|_| {
                    random.of(&[
                        "top",
                        "bottom",
                        "left",
                        "right",
                        "center",
                        "focalpoint",
                        "edges",
                        "entropy",
                        "smart",
                        "attention",
                        "faces",
                        "",
                        "constructor",
                    ])
                })
                .collect();
            words.join(random.of(&[",", ",", "%2C"]))
        }
        "fp-x" | "fp-y" => {
            random.of(&["0", "0.0", "1", "0.5", "0.50009", "0.25", "0.3333", "1.0", "1.1", "0.9999"]).to_owned()
        }
        "fm" => random
            .of(&[
                "jpg",
                "jpeg",
                "pjpg",
                "png",
                "png8",
                "png16",
                "webp",
                "avif",
                "gif",
                "json",
                "thumbhash",
                "blurhash",
                "tiff",
            ])
            .to_owned(),
        "q" if random.once_in(6) => random.of(&["auto", "auto", "auto", "Auto", "auto%0A"]).to_owned(),
        "q" => number(random, 101),
        "cs" => random.of(&["srgb", "tinysrgb", "strip", "adobergb1998", "origin", "adobergb", "SRGB"]).to_owned(),
        "dpr" => random
            .of(&["1", "2", "3", "1.5", "0.5", "0.1", "0.09", "5", "5.01", "10", "4.99", "1.007", "2.5"])
            .to_owned(),
        "auto" => random
            .of(&["format", "compress", "format,compress", "compress%2Cformat", "enhance", "", "format%0A", ",format,"])
            .to_owned(),
        "bg" => random
            .of(&[
                "fff",
                "%23ff0",
                "8f00",
                "80FF0000",
                "00ffffff",
                "ff112233",
                "White",
                "transparent",
                "#12345",
                "12345",
                "123456789",
                "orange",
                "gggggg",
                "#white",
                "F%30f",
            ])
            .to_owned(),
        "rot" => random.of(&["0", "90", "180", "270", "360", "45", "450", "090"]).to_owned(),
        "flip" => random.of(&["h", "v", "hv", "vh", "hh"]).to_owned(),
        "blur" => number(random, 2_002),
        "sharp" => number(random, 102),
        "rect" => {
            let start = |random: &mut Random, words: &[&'static str]| match random.below(3) {
                0 => random.of(words).to_owned(),
                1 => random.of(&["0.0", "0.25", "1.0", "0.00009", "1.1"]).to_owned(),
                _ => number(random, 65_536),
            };
            let (x, y) = (
                start(random, &["left", "center", "right", "top"]),
                start(random, &["top", "middle", "bottom", "center"]),
            );
            let (width, height) = (start(random, &["full", "full", "left"]), start(random, &["full", "full", "0"]));
            format!("{x},{y},{width},{height}")
        }
        "trim" => random.of(&["auto", "color", "alpha", "none"]).to_owned(),
        "pad" => {
            let most = *random.of(&[&40, &4_002]);
            number(random, most)
        }
        "d" => match random.below(4) {
            0 => random
                .of(&[
                    "1e2x5",
                    "abc",
                    "0x1",
                    "80",
                    "79",
                    "120x1",
                    "120",
                    "121",
                    "480",
                    "100+",
                    "240",
                    "241",
                    "340",
                    "+100",
                    "%2B100",
                    "1e400",
                    "-0",
                    ".1e3",
                    "100.",
                    "inf",
                    "Infinity",
                    "0b1100100",
                    "%C2%85100%C2%A0",
                    "%EF%BB%BF100",
                    "100%0A",
                    "x",
                    "+",
                    "1_0",
                    "%20x",
                ])
                .to_owned(),
            1 => format!("{}x{}", random.below(500), random.below(500)),
            _ => number(random, 500),
        },
        "p" => {
            let names: Vec<&str> = policy.rules.presets.keys().map(String::as_str).chain(["toString"]).collect();
            random.of(&names).to_owned()
        }
        "expires" => random
            .of(&["1795824000", "1795824001", "1795823999", "1", "99999999999", "100000000000", "1e9", "1795900000"])
            .to_owned(),
        _ => random.of(WORDS).to_owned(),
    }
}
