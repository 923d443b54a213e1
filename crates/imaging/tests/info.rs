//! `fm=json` through the front door: the fields, in their order, with true values, and nothing about people or places.

use afterimage_imaging::{Never, Rendered, Settings, render};
use afterimage_variant::{Grant, Rules, Wanted, resolve};
use serde_json::Value;

fn described(bytes: &[u8], settings: &Settings) -> Rendered {
    let wanted = resolve(&Rules::default(), "/a.jpg?fm=json", None, Grant::Open).expect("a good query").wanted;
    let Wanted::Variant(variant) = wanted else { panic!("JSON is a variant") };
    render(bytes, &variant, settings, &Never).expect("a report")
}

fn picture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../examples/pictures/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a sample picture")
}

#[test]
fn the_fields_and_their_order_are_fixed() {
    let report = described(&picture("landscape.jpg"), &Settings::default());
    assert_eq!((report.media_type, report.width, report.height), ("application/json", 600, 450));
    let text = String::from_utf8(report.bytes).expect("UTF-8");
    let fields = [
        "format",
        "media_type",
        "bytes",
        "width",
        "height",
        "aspect_ratio",
        "orientation",
        "frames",
        "alpha",
        "average_color",
        "dominant_colors",
        "placeholder",
        "srcset",
    ];
    let places: Vec<Option<usize>> = fields.iter().map(|field| text.find(&format!("\n  \"{field}\":"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    assert_eq!(text.matches("\n  \"").count(), fields.len(), "no other field");
}

#[test]
fn the_values_are_true() {
    for (name, format, size, orientation, frames, alpha) in [
        ("landscape.jpg", "jpeg", (600, 450), 6, 1, false),
        ("earth.gif", "gif", (400, 400), 1, 44, true),
        ("rose.webp", "webp", (300, 300), 1, 1, true),
        ("flower-small.png", "png", (510, 532), 1, 1, false),
    ] {
        let bytes = picture(name);
        let json: Value = serde_json::from_slice(&described(&bytes, &Settings::default()).bytes).expect("JSON");
        assert_eq!(json["format"], format, "{name}");
        assert_eq!(json["bytes"], bytes.len(), "{name}");
        assert_eq!((&json["width"], &json["height"]), (&size.0.into(), &size.1.into()), "{name}");
        assert_eq!(json["orientation"], orientation, "{name}");
        assert_eq!(json["frames"], frames, "{name}");
        assert_eq!(json["alpha"], alpha, "{name}");
        let is_colour = |value: &Value| value.as_str().is_some_and(|text| text.len() == 7 && text.starts_with('#'));
        assert!(is_colour(&json["average_color"]), "{name}");
        let swatches = json["dominant_colors"].as_array().expect("a list");
        assert!(
            (1..=6).contains(&swatches.len()) && swatches.iter().all(|swatch| is_colour(&swatch["color"])),
            "{name}"
        );
        let placeholder = json["placeholder"].as_str().expect("text");
        assert!(placeholder.starts_with("data:image/webp;base64,") && placeholder.len() <= 1024, "{name}");
    }
}

#[test]
fn srcset_follows_the_settings() {
    let settings = Settings { srcset_widths: vec![320, 600, 601, 200], ..Settings::default() };
    let json: Value = serde_json::from_slice(&described(&picture("landscape.jpg"), &settings).bytes).expect("JSON");
    let list: Vec<(&str, u64, u64)> = json["srcset"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            let number = |field: &str| entry[field].as_u64().expect("a number");
            (entry["url"].as_str().expect("text"), number("width"), number("height"))
        })
        .collect();
    assert_eq!(list, [("?w=200", 200, 150), ("?w=320", 320, 240), ("?w=600", 600, 450)]);
}

#[test]
fn the_same_bytes_give_the_same_report() {
    let bytes = picture("flower-small.png");
    assert_eq!(described(&bytes, &Settings::default()), described(&bytes, &Settings::default()));
}
