//! Requests as people, clients, crawlers and attackers might send them, from a seed: mostly in order, each somewhere odd.

use afterimage_rewrite::EdgePolicy;
use afterimage_variant::{LACKING, PARAMETERS, Scheme, canonical_path, resolve, sign};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Once in so many.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// A viewer's request as CloudFront's event has it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub query: Option<String>,
    pub host: Option<String>,
    pub accept: Vec<String>,
    pub now_unix_s: u64,
}

impl Request {
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// 2026-11-28.
const NOW_UNIX_S: u64 = 1_795_824_000;

pub fn request(random: &mut Random, policy: &EdgePolicy) -> Request {
    let mut request = Request {
        method: if random.once_in(50) {
            random.of(&["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "get"])
        } else {
            "GET"
        },
        path: path(random),
        query: (!random.once_in(12)).then(|| query(random, policy)),
        host: host(random, policy),
        accept: accept(random),
        now_unix_s: NOW_UNIX_S,
    };
    if !policy.rules.keys.is_empty() && !random.once_in(3) || random.once_in(40) {
        signature(random, policy, &mut request);
    }
    if random.once_in(40) {
        canonical(random, policy, &mut request);
    }
    // CloudFront takes no longer URL.
    if request.target().len() > 8_000 {
        request.query = None;
    }
    request
}

fn path(random: &mut Random) -> String {
    if random.once_in(150) {
        return random
            .of(&["/", "//", "/-/", "/.", "/..", "/%", "/%2f", "/a/-", "/-", "/%00", "/a%0Ab", "/\u{e9}"])
            .to_owned();
    }
    if random.once_in(200) {
        let unit = random.of(&["a", "%C3%A9", "bb/", "%7e", "long-name.", "!"]);
        let times = random.of(&[&190, &201, &699, &700, &701, &1_400, &4_095, &4_096, &4_097]);
        let text = unit.repeat(times / unit.len().min(3) + random.below(2));
        return format!("/{}", &text[..text.len().min(7_000)]);
    }
    let segments = 1 + random.below(3) + random.below(2);
    let mut path = String::new();
    for _ in 0..segments {
        path.push('/');
        if random.once_in(60) {
            path.push_str(random.of(&[
                "",
                ".",
                "..",
                "-",
                ".hidden",
                "%2e%2e",
                "%2D",
                "a%2Fb",
                "a%2",
                "%zz",
                "%ff",
                "%ED%A0%80",
                "%f4%90%80%80",
                "a%7F",
                "%C2%85",
                "x\u{7f}",
                "a b",
                "#a",
            ]));
            continue;
        }
        for _ in 0..1 + random.below(3) {
            path.push_str(
                random
                    .of(&[
                        "a",
                        "b",
                        "c d~\u{e9}",
                        "c%20d%7e%C3%A9",
                        "b/c%20d~%c3%a9",
                        "photo",
                        "100x100",
                        "IMG_0001",
                        "+",
                        "%2B",
                        "~",
                        "%7E",
                        "!",
                        "'",
                        "(1)",
                        "*",
                        "=",
                        "=20",
                        "%3D",
                        "@",
                        "$",
                        "&",
                        ",",
                        ";",
                        ":",
                        "%",
                        "%25",
                        "%41",
                        "%e2%82%ac",
                        "%F0%9F%98%80",
                        "\"",
                        "<",
                        "|",
                        "^",
                        "`",
                        "{",
                        "\\",
                        "%20",
                        "-",
                        "_",
                        ".",
                    ])
                    .split(['d', '\u{e9}'])
                    .next()
                    .unwrap_or("a"),
            );
        }
        if random.once_in(2) {
            path.push_str(random.of(&[".jpg", ".PNG", ".webp", ".svg", ".jpg.bak"]));
        }
    }
    path
}

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
fn value(random: &mut Random, name: &str, policy: &EdgePolicy) -> String {
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
        "fm" => random.of(&["jpg", "jpeg", "pjpg", "png", "webp", "avif", "gif", "json", "tiff"]).to_owned(),
        "q" => number(random, 101),
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
                    "121",
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

fn query(random: &mut Random, policy: &EdgePolicy) -> String {
    let pieces = [0, 1, 1, 2, 2, 3, 3, 4, 5, 7][random.below(10)];
    let only_public = policy.rules.keys.is_empty() && !random.once_in(6) || random.once_in(3);
    let mut used: Vec<&str> = Vec::new();
    let mut query = String::new();
    for at in 0..pieces {
        if at > 0 {
            query.push('&');
        }
        let row = &PARAMETERS[random.below(PARAMETERS.len())];
        let beside = ["dpr", "auto", "fm", "q"];
        let fitting = (row.public || !only_public) && (!used.contains(&"p") || beside.contains(&row.name));
        let row = if fitting { row } else { &PARAMETERS[random.below(11)] };
        // Mostly once each, and no signature: that is put in at the end.
        if row.name == "s" || used.contains(&row.name) && !random.once_in(40) {
            query.truncate(query.trim_end_matches('&').len());
            continue;
        }
        used.push(row.name);
        piece(random, policy, row.name, row.aliases, &mut query);
    }
    query
}

fn piece(random: &mut Random, policy: &EdgePolicy, name: &str, aliases: &[&str], query: &mut String) {
    match random.below(120) {
        0 => {
            return query.push_str(random.of(&[
                "",
                "=",
                "=1",
                "w",
                "&",
                "64",
                "64=MQ",
                "utm_source=x",
                "__proto__=1",
                "constructor=1",
                "W=5",
                "%=1",
                "%ff=1",
                "x=%",
                "%0d%0aX=1",
                "toString64=MQ",
                "s64",
                "%73",
                "%73=1",
                "s",
                "a=b=c",
            ]));
        }
        1 => return query.push_str(&format!("{}=1", random.of(LACKING))),
        _ => {}
    }
    let name = if aliases.is_empty() || random.once_in(2) {
        name.to_owned()
    } else {
        aliases[random.below(aliases.len())].to_owned()
    };
    let value = value(
        random,
        if name == "width" {
            "w"
        } else if name == "height" {
            "h"
        } else if name == "format" {
            "fm"
        } else if name == "quality" {
            "q"
        } else {
            &name
        },
        policy,
    );
    match random.below(14) {
        0 => {
            let mut encoded = URL_SAFE_NO_PAD.encode(&value);
            if random.once_in(8) {
                encoded.push_str(random.of(&["=", "A", "_", "+", "%3D"]));
            }
            query.push_str(&format!("{name}64={encoded}"));
        }
        1 => {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
            query.push_str(&format!("{encoded}={value}"));
        }
        2 => {
            let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            query.push_str(&format!("{name}={encoded}"));
        }
        3 => query.push_str(&format!("{name}={}", value.replace("%20", "+"))),
        _ => query.push_str(&format!("{name}={value}")),
    }
}

fn accept(random: &mut Random) -> Vec<String> {
    if random.once_in(10) {
        return Vec::new();
    }
    let lines = if random.once_in(10) { 2 } else { 1 };
    (0..lines)
        .map(|_| match random.below(4) {
            0 => random
                .of(&[
                    "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
                    "image/webp,*/*",
                    "*/*",
                    "image/avif",
                    "",
                ])
                .to_owned(),
            _ => {
                let entry = |random: &mut Random| {
                    let media = random.of(&[
                        "image/avif",
                        "image/webp",
                        "IMAGE/AVIF",
                        "image/webpx",
                        " image/webp ",
                        "image/*",
                        "\timage/avif",
                        "image/w\u{e9}bp",
                    ]);
                    let weight = random.of(&[
                        "",
                        "",
                        ";q=0",
                        ";q=0.5",
                        "; Q = 0.501 ",
                        ";q=0.5001",
                        ";q=1",
                        ";q=1.001",
                        ";q=x",
                        ";q=",
                        ";v=b3;q=0.3",
                        ";q=.5",
                        ";q=0.4;q=0.9",
                        ";q",
                        ";=1",
                    ]);
                    format!("{media}{weight}")
                };
                let entries: Vec<String> = (0..1 + random.below(4)).map(|_| entry(random)).collect();
                entries.join(random.of(&[",", ", "]))
            }
        })
        .collect()
}

fn host(random: &mut Random, policy: &EdgePolicy) -> Option<String> {
    if policy.hosts.is_empty() {
        return Some("d111111abcdef8.cloudfront.net".to_owned());
    }
    let host = random.of(&[
        "img.example.com",
        "IMG.Example.com.",
        "vip.cdn.example",
        "x.cdn.example:443",
        "x.y.cdn.example",
        "cdn.example",
        "constructor",
        "__proto__",
        "tostring",
        "a_b.example",
        "localhost:",
        "bad..host",
        "a/b",
        "a:b",
        "[::",
        "",
        ".cdn.example",
        "x.cdn.example.:80",
    ]);
    (!random.once_in(30)).then(|| host.to_owned())
}

/// Signs, rightly or nearly so.
fn signature(random: &mut Random, policy: &EdgePolicy, request: &mut Request) {
    if random.once_in(20) {
        let pieces =
            random.of(&["s=", "s=abc", "s", "s64=YQ", "%73=a", "s=a&w=1", "s=a&s=b", "%73%36%34=1", "sx=1", "s=%61"]);
        let query = request.query.get_or_insert_default();
        if !query.is_empty() {
            query.push('&');
        }
        return query.push_str(pieces);
    }
    let Some(key) = (!policy.rules.keys.is_empty()).then(|| &policy.rules.keys[random.below(policy.rules.keys.len())])
    else {
        return;
    };
    if random.once_in(2) && !request.query.as_ref().is_some_and(|query| query.contains("expires")) {
        let expires = random.of(&[
            "1795824000",
            "1795824001",
            "1795900000",
            "1795900000",
            "1795900000",
            "17",
            "x",
            "%31795900000",
            "1795900000%0A",
        ]);
        let query = request.query.get_or_insert_default();
        let joint = if query.is_empty() { "" } else { "&" };
        query.push_str(&format!("{joint}expires={expires}"));
    }
    let mut signed = sign(key, &request.target());
    if key.scheme == Scheme::HmacSha256 && random.once_in(3) {
        let (before, hex) = signed.rsplit_once("s=").expect("it is signed");
        let bytes: Vec<u8> =
            (0..hex.len() / 2).filter_map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()).collect();
        signed = format!("{before}s={}", URL_SAFE_NO_PAD.encode(bytes));
    }
    if random.once_in(10) {
        match random.below(4) {
            0 => signed.push('0'),
            1 => drop(signed.pop()),
            2 => signed = signed.to_ascii_uppercase().replacen("S=", "s=", 1),
            _ => {
                // One letter becomes another: somewhere in the path, the query or the signature.
                let at = 1 + random.below(signed.len() - 1);
                if signed.is_char_boundary(at) && signed.is_char_boundary(at + 1) {
                    signed.replace_range(at..at + 1, random.of(&["a", "0", "b", "&", "%"]));
                }
            }
        }
    }
    let (path, query) = signed.split_once('?').map_or((signed.as_str(), None), |(path, query)| (path, Some(query)));
    (request.path, request.query) = (path.to_owned(), query.map(str::to_owned));
}

/// Asks by a canonical path, a real one or one that is nearly so.
fn canonical(random: &mut Random, policy: &EdgePolicy, request: &mut Request) {
    let asked = resolve(&policy.rules, &request.target(), None, afterimage_variant::Grant::Open);
    let Ok(resolution) = asked else { return };
    request.path = canonical_path(&resolution.key, &resolution.wanted);
    if random.once_in(3) {
        request.path.push_str(random.of(&["x", "/-/w1.webp", "/", "%", ".jpg"]));
    }
    request.query = random.once_in(3).then(|| {
        random
            .of(&["", "w=1", "utm=1", "s=abc", "expires=1", "ixlib=x", "d=100", "w=%", "p=thumb&expires=5"])
            .to_owned()
    });
}
