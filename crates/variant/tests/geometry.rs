//! Output geometry: a table of what each fit does with larger and smaller sources, and the laws that hold for all of them.

mod wishes;

use afterimage_variant::{Fit, OUTPUT_SIDE_MAX, Plan, Search, Size, Surround, Variant, Window};
use proptest::prelude::*;

fn plan(name: &str, width: u32, height: u32) -> Plan {
    Variant::from_name(name).unwrap_or_else(|| panic!("{name}")).plan(Size::new(width, height))
}

/// `window x,y,w,h > picture @ left,top in canvas`
fn told(plan: &Plan) -> String {
    let Window { x, y, width, height } = plan.window;
    let (picture, canvas) = (plan.picture, plan.canvas);
    format!(
        "{x:.1},{y:.1} {width:.1}x{height:.1} > {}x{} @ {},{} in {}x{}",
        picture.width, picture.height, plan.left, plan.top, canvas.width, canvas.height
    )
}

#[test]
fn every_fit_with_large_and_small_sources() {
    #[rustfmt::skip]
    let rows = [
        ("full.webp", 300, 200, "0.0,0.0 300.0x200.0 > 300x200 @ 0,0 in 300x200"),
        ("w150.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 150x100 @ 0,0 in 150x100"),
        ("w600.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 300x200 @ 0,0 in 300x200"),
        ("w600-clip.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 600x400 @ 0,0 in 600x400"),
        ("h100.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 150x100 @ 0,0 in 150x100"),
        ("w100-h100.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 100x67 @ 0,0 in 100x67"),
        ("w600-h600.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 300x200 @ 0,0 in 300x200"),
        ("w600-h600-clip.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 600x400 @ 0,0 in 600x400"),
        ("w100-h100-crop.jpg", 300, 200, "50.0,0.0 200.0x200.0 > 100x100 @ 0,0 in 100x100"),
        ("w100-h100-crop-left.jpg", 300, 200, "0.0,0.0 200.0x200.0 > 100x100 @ 0,0 in 100x100"),
        ("w100-h100-crop-bottomright.jpg", 300, 200, "100.0,0.0 200.0x200.0 > 100x100 @ 0,0 in 100x100"),
        ("w100-h100-crop-top.jpg", 200, 300, "0.0,0.0 200.0x200.0 > 100x100 @ 0,0 in 100x100"),
        ("w100-h100-crop-bottom.jpg", 200, 300, "0.0,100.0 200.0x200.0 > 100x100 @ 0,0 in 100x100"),
        ("w100-h100-crop-fp4000x5000.jpg", 300, 200, "20.0,0.0 200.0x200.0 > 100x100 @ 0,0 in 100x100"),
        ("w100-h100-crop-fp9000x5000.jpg", 300, 200, "100.0,0.0 200.0x200.0 > 100x100 @ 0,0 in 100x100"),
        ("w600-h600-crop.jpg", 300, 200, "50.0,0.0 200.0x200.0 > 600x600 @ 0,0 in 600x600"),
        ("w600-h600-min.jpg", 300, 200, "50.0,0.0 200.0x200.0 > 200x200 @ 0,0 in 200x200"),
        ("w600-h100-min.jpg", 300, 200, "0.0,75.0 300.0x50.0 > 300x50 @ 0,0 in 300x50"),
        ("w100-h100-min.jpg", 300, 200, "50.0,0.0 200.0x200.0 > 100x100 @ 0,0 in 100x100"),
        ("w100-h100-fill.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 100x67 @ 0,16 in 100x100"),
        ("w600-h600-fill.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 600x400 @ 0,100 in 600x600"),
        ("w600-h600-fillmax.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 300x200 @ 150,200 in 600x600"),
        ("w600-h600-clamp.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 600x400 @ 0,100 in 600x600"),
        ("w600-h100-scale.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 600x100 @ 0,0 in 600x100"),
        ("ar1x1-crop.jpg", 300, 200, "50.0,0.0 200.0x200.0 > 200x200 @ 0,0 in 200x200"),
        ("ar2x1-crop.jpg", 300, 200, "0.0,25.0 300.0x150.0 > 300x150 @ 0,0 in 300x150"),
        ("ar1x1-fill.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 200x133 @ 0,33 in 200x200"),
        ("ar1x1-scale.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 200x200 @ 0,0 in 200x200"),
        ("ar1x1.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 200x133 @ 0,0 in 200x133"),
        ("maxw150.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 150x100 @ 0,0 in 150x100"),
        ("maxw150.jpg", 100, 200, "0.0,0.0 100.0x200.0 > 100x200 @ 0,0 in 100x200"),
        ("w150-maxh50-crop.jpg", 300, 200, "0.0,50.0 300.0x100.0 > 150x50 @ 0,0 in 150x50"),
        ("w150-minh150-crop.jpg", 300, 200, "50.0,0.0 200.0x200.0 > 150x150 @ 0,0 in 150x150"),
        ("pad10.png", 300, 200, "0.0,0.0 300.0x200.0 > 300x200 @ 10,10 in 320x220"),
        ("w150-h100-crop-pad10.png", 300, 200, "0.0,7.7 300.0x184.6 > 130x80 @ 10,10 in 150x100"),
        ("w100-h100-cropmax.jpg", 300, 200, "50.0,0.0 200.0x200.0 > 100x100 @ 0,0 in 100x100"),
        ("w400-h100-cropmax.jpg", 300, 200, "0.0,50.0 300.0x100.0 > 300x100 @ 0,0 in 300x100"),
        ("w100-h400-cropmax-right.jpg", 300, 200, "200.0,0.0 100.0x200.0 > 100x200 @ 0,0 in 100x200"),
        ("w400-h400-cropmax.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 300x200 @ 0,0 in 300x200"),
        ("w150-h150-scalemax.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 150x150 @ 0,0 in 150x150"),
        ("w400-h400-scalemax.jpg", 300, 200, "0.0,0.0 300.0x200.0 > 200x200 @ 0,0 in 200x200"),
        ("w150-pad10.png", 300, 200, "0.0,0.0 300.0x200.0 > 120x80 @ 10,10 in 140x100"),
        ("w1.jpg", 10_000, 1, "0.0,0.0 10000.0x1.0 > 1x1 @ 0,0 in 1x1"),
        ("w3840-clip.jpg", 1, 65_535, "0.0,0.0 1.0x65535.0 > 1x16383 @ 0,0 in 1x16383"),
        ("full.webp", 40_000, 100, "0.0,0.0 40000.0x100.0 > 16383x41 @ 0,0 in 16383x41"),
        ("w100-h100-crop.jpg", 1, 1, "0.0,0.0 1.0x1.0 > 100x100 @ 0,0 in 100x100"),
    ];
    for (name, width, height, expected) in rows {
        assert_eq!(told(&plan(name, width, height)), expected, "{name} of {width}x{height}");
    }
}

#[test]
fn searches_and_surroundings_are_said() {
    assert_eq!(plan("w100-h100-crop-entropy.jpg", 300, 200).search, Some(Search::Entropy));
    assert_eq!(plan("w100-h100-min-edges.jpg", 300, 200).search, Some(Search::Edges));
    assert_eq!(plan("w100-h100-cropmax-smart.jpg", 300, 200).search, Some(Search::Smart));
    assert_eq!(plan("w100-h100-crop-smart.jpg", 200, 200).search, None);
    assert_eq!(plan("w100-h100-crop.jpg", 300, 200).search, None);
    assert_eq!(plan("w100-h100-clamp.jpg", 300, 200).surround, Surround::Edge);
    assert_eq!(plan("w100-h100-fill.jpg", 300, 200).surround, Surround::Background);
}

#[test]
fn rects_lie_inside() {
    for (name, source, expected) in [
        ("rect10x20x30x40.jpg", (300, 200), (10, 20, 30, 40)),
        ("rectp2500xp5000xp5000xp2500.jpg", (300, 200), (75, 100, 150, 50)),
        ("rectcxex100x50.jpg", (300, 200), (100, 150, 100, 50)),
        ("rect250x0x100x500.jpg", (300, 200), (250, 0, 50, 200)),
        ("rect65535x65535x1x1.jpg", (300, 200), (299, 199, 1, 1)),
        ("rectp10000xp10000xp1xp1.jpg", (300, 200), (299, 199, 1, 1)),
        ("rectcxcxp1xp1.jpg", (1, 1), (0, 0, 1, 1)),
    ] {
        let window =
            Variant::from_name(name).unwrap_or_else(|| panic!("{name}")).rect(Size::new(source.0, source.1)).unwrap();
        let (x, y, width, height) = expected;
        let expected = Window { x: x.into(), y: y.into(), width: width.into(), height: height.into() };
        assert_eq!(window, expected, "{name}");
    }
    assert_eq!(Variant::from_name("w1.jpg").unwrap().rect(Size::new(1, 1)), None);
}

fn side() -> impl Strategy<Value = u32> {
    prop_oneof![1..20u32, 1..3_000u32, 1..=65_535u32]
}

fn close(picture: f64, exact: f64) -> bool {
    (picture - exact).abs() < 1.0 || (exact < 1.0 && picture == 1.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_is_sound(variant in wishes::variant(), width in side(), height in side()) {
        let plan = variant.plan(Size::new(width, height));
        let Window { x, y, width: window_width, height: window_height } = plan.window;
        let (source_width, source_height) = (f64::from(width), f64::from(height));
        // Inside the source, to a millionth of a pixel, and not empty.
        prop_assert!(x >= 0.0 && y >= 0.0 && window_width > 0.0 && window_height > 0.0);
        prop_assert!(x + window_width <= source_width + 1e-6, "{}", told(&plan));
        prop_assert!(y + window_height <= source_height + 1e-6, "{}", told(&plan));
        // Every side has a pixel and none has too many; the picture lies on the canvas.
        for side in [plan.picture.width, plan.picture.height, plan.canvas.width, plan.canvas.height] {
            prop_assert!((1..=OUTPUT_SIDE_MAX).contains(&side), "{}", told(&plan));
        }
        prop_assert!(plan.left >= plan.padding && plan.left + plan.picture.width + plan.padding <= plan.canvas.width);
        prop_assert!(plan.top >= plan.padding && plan.top + plan.picture.height + plan.padding <= plan.canvas.height);
        // Never larger than the source, where the fit says so.
        if !variant.fit().enlarges() {
            prop_assert!(plan.picture.width <= width && plan.picture.height <= height, "{} {}", variant.name(), told(&plan));
            prop_assert!(f64::from(plan.picture.width) <= window_width.ceil() && f64::from(plan.picture.height) <= window_height.ceil());
        }
        // Proportions kept to less than a pixel on one of the sides, except where they are given up.
        if !matches!(variant.fit(), Fit::Scale | Fit::ScaleMax) {
            let (picture_width, picture_height) = (f64::from(plan.picture.width), f64::from(plan.picture.height));
            let kept = close(picture_width, picture_height * window_width / window_height)
                || close(picture_height, picture_width * window_height / window_width);
            prop_assert!(kept, "{} {}", variant.name(), told(&plan));
        }
    }

    #[test]
    fn a_named_box_is_filled_exactly(width in 1..3_000u32, height in 1..3_000u32, source_width in side(), source_height in side(), at in 0..4usize) {
        let fit = ["crop", "fill", "scale", "clamp"][at];
        let plan = plan(&format!("w{width}-h{height}-{fit}.jpg"), source_width, source_height);
        prop_assert_eq!(plan.canvas, Size::new(width, height));
    }

    #[test]
    fn the_whole_picture_stays_inside_the_box(width in 1..3_000u32, height in 1..3_000u32, source_width in side(), source_height in side()) {
        for (name, enlarges) in [("", false), ("-clip", true)] {
            let plan = plan(&format!("w{width}-h{height}{name}.jpg"), source_width, source_height);
            prop_assert!(plan.canvas.width <= width && plan.canvas.height <= height);
            let touches = plan.canvas.width == width || plan.canvas.height == height;
            prop_assert!(touches || (!enlarges && plan.canvas == Size::new(source_width, source_height)), "{}", told(&plan));
        }
    }

    #[test]
    fn a_focal_point_stays_in_the_picture(x in 0..=10_000u16, y in 0..=10_000u16, source_width in side(), source_height in side()) {
        let Some(variant) = Variant::from_name(&format!("w120-h80-crop-fp{x}x{y}.jpg")) else { return Ok(()) };
        let window = variant.plan(Size::new(source_width, source_height)).window;
        let (at_x, at_y) = (f64::from(x) / 10_000.0 * f64::from(source_width), f64::from(y) / 10_000.0 * f64::from(source_height));
        prop_assert!((window.x - 1e-6..=window.x + window.width + 1e-6).contains(&at_x));
        prop_assert!((window.y - 1e-6..=window.y + window.height + 1e-6).contains(&at_y));
    }

    #[test]
    fn rects_are_never_empty(variant in wishes::variant(), width in side(), height in side()) {
        if let Some(Window { x, y, width: window_width, height: window_height }) = variant.rect(Size::new(width, height)) {
            prop_assert!(x >= 0.0 && y >= 0.0 && window_width >= 1.0 && window_height >= 1.0);
            prop_assert!(x + window_width <= f64::from(width) && y + window_height <= f64::from(height));
        }
    }
}
