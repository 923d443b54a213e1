//! Requests as people, clients, crawlers and attackers might send them, from a seed: mostly in order, each somewhere odd.

use afterimage_rewrite::EdgePolicy;
use afterimage_variant::{LACKING, PARAMETERS, Scheme, canonical_path, resolve, sign};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::random::Random;
use crate::values::value;

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
        // A segment of a name has at most 200 bytes, or the key stands as a digest.
        return format!("/{}.jpg", "a".repeat(195 + random.below(4)));
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

/// What pages ask for: names that belong together, each with a value.
fn usual(random: &mut Random, policy: &EdgePolicy) -> String {
    let mut names: Vec<&str> = vec![
        "w",
        "w auto",
        "w auto fm",
        "fm auto",
        "h fm",
        "w h crop",
        "w h fit crop auto",
        "w ar",
        "ar fit",
        "w dpr q",
        "d",
        "d auto",
        "d fm q",
        "d",
    ];
    if !policy.rules.presets.is_empty() {
        names.extend(["p", "p dpr", "p dpr auto q", "p d", "p w h"]);
    }
    if !policy.rules.keys.is_empty() {
        names.extend([
            "w bg",
            "w pad cs fm q",
            "cs auto",
            "w h pad",
            "rot flip",
            "w rect",
            "rect q",
            "w h crop fp-x fp-y",
            "max-w min-w w",
            "h max-h min-h fit",
            "blur sharp trim",
        ]);
    }
    let chosen = random.of(&names);
    let pairs = chosen.split(' ').map(|name| format!("{name}={}", value(random, name, policy)));
    pairs.collect::<Vec<_>>().join("&")
}

fn query(random: &mut Random, policy: &EdgePolicy) -> String {
    if random.once_in(2) {
        return usual(random, policy);
    }
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
