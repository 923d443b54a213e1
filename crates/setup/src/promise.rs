//! The promise in words: what a deleted picture can still do under these settings, and what may be asked for. It states
//! bounds that other parts keep; it must never state one that no setting or protocol backs.

use crate::choice::{Isolation, OnUnprovable, OriginalsMode, PolicyKind, Trust};
use crate::duration::display;
use crate::source::Placed;
use crate::table::Settings;
use std::fmt::Write as _;
use std::time::Duration;

/// What the promise needs to know beside the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many variants of one original an unsigned viewer can have at most.
    pub variants_max: u64,
    /// Whether the ladder was lifted for experiments.
    pub open: bool,
}

/// The promise in force, as lines for a terminal. Printed at start and by `check-config`.
pub fn promise(settings: &Settings, shape: Shape) -> String {
    let mut text = String::new();
    text.push_str("When an original is deleted or replaced, the old picture\n");
    let mut line = |place: &str, words: String| {
        let _ = writeln!(text, "  {place:<24}{words}");
    };
    line("from this server", window(settings.root_window(), "source.window"));
    for Placed { prefix, window: own, .. } in settings.placed().iter().filter(|placed| !placed.prefix.is_empty()) {
        line(&format!("of {prefix}"), window(*own, "the mount's window"));
    }
    if settings.asks_over_http() {
        line(
            "from an HTTP server",
            "counts as gone on a 404 or 410, once that server has answered so for a key that nobody has".into(),
        );
    }
    line(if settings.derivatives.url.is_some() { "from its bucket" } else { "from its disk" }, stored(settings));
    if settings.derivatives.url.is_some() {
        line("", "how many bytes that bucket takes is for its lifecycle rules to say".into());
    }
    if settings.asks_buckets() {
        line(
            "from the owner's bucket",
            "may be brought back where that keeps earlier versions; receipts say so".into(),
        );
    }
    line("from a browser", beyond(settings.http.browser_age, "http.browser_age", "no purge reaches a browser"));
    let why = if settings.cdn.0.is_empty() { "none is told (cdn)" } else { "only where none of these is told" };
    line("from a CDN in front", beyond(settings.http.shared_age, "http.shared_age", why));
    for outer in &settings.cdn.0 {
        line(&format!("from {}", outer.name), told(outer));
    }
    if settings.derivatives.copies {
        line("from its copies", copies(settings));
    }
    line("if nobody can tell", unprovable(settings));
    if settings.hears_buckets() {
        text.push_str("Who tells of changes in buckets\n");
        crate::events::told_by(settings).into_iter().for_each(|(who, how)| {
            let _ = writeln!(text, "  {who:<24}{how}");
        });
    }
    text.push_str("What the cache keeps\n");
    let mut line = |place: &str, words: String| {
        let _ = writeln!(text, "  {place:<24}{words}");
    };
    line("in memory", format!("up to {} (cache.memory_bytes_max)", settings.cache.memory_bytes_max));
    line("on disk", disk_tier(settings));
    text.push_str("Where pictures are made\n");
    let _ = writeln!(text, "  {:<24}{}", isolated(settings), memory(settings));
    text.push_str("What may be asked for\n");
    hosts(settings, &mut text);
    let mut line = |place: &str, words: String| {
        let _ = writeln!(text, "  {place:<24}{words}");
    };
    line("without a signature", unsigned(settings, shape));
    if settings.server.trust == Trust::Canonical {
        line(
            "by canonical path",
            "anything within the limits: server.trust says that only your CDN can reach it".into(),
        );
    }
    line("bare originals", bare(settings));
    line("with a signature", signed(settings));
    line("within the limits", limits(settings));
    if let Some(origin) = &settings.pass.origin {
        passing(settings, origin, &mut text);
    }
    text
}

/// Which bytes from outside are read in a process that can reach nothing.
fn isolated(settings: &Settings) -> &'static str {
    match settings.render.isolation {
        Isolation::All => "in worker processes",
        Isolation::Native => "native decoders apart",
        Isolation::None => "IN THIS PROCESS",
    }
}

fn memory(settings: &Settings) -> String {
    let what = match settings.render.isolation {
        Isolation::All => "a crash or an exploit costs one request (render.isolation)",
        Isolation::Native => "a crash or an exploit of what is not safe Rust costs one request (render.isolation)",
        Isolation::None => "a crash of a native decoder ends the server (render.isolation)",
    };
    format!("{what}; {} for all at once (render.memory_bytes_max)", settings.render.memory_bytes_max)
}

/// Who reaches what.
fn hosts(settings: &Settings, text: &mut String) {
    for mount in settings.mounts().iter().filter(|mount| !mount.hosts.is_empty()) {
        let (hosts, prefix) = (mount.hosts.join(", "), &mount.prefix);
        let _ = writeln!(text, "  on {hosts}: what lies below {prefix}, and nothing else; on no other host");
    }
}

/// What is said of answers that have no original: nobody proves them.
fn passing(settings: &Settings, origin: &str, text: &mut String) {
    text.push_str("What is no picture\n");
    let mut line = |place: &str, words: String| {
        let _ = writeln!(text, "  {place:<24}{words}");
    };
    line("is passed on", format!("to {origin}, any method (pass.origin)"));
    line("may be served", "as long as the origin's answer says, or until it is invalidated: no proof is asked".into());
    let stale = settings.pass.stale_if_error;
    if !stale.is_zero() {
        line("if the origin fails", format!("MAY BE SERVED STALE for {} (pass.stale_if_error)", display(stale)));
    }
    for route in settings.behaviours.0.iter().filter(|route| !route.behaviour.ttl.min.is_zero()) {
        let (pattern, min) = (route.behaviour.pattern.as_str(), display(route.behaviour.ttl.min));
        line(pattern, format!("IS KEPT for {min} even where the origin says no-store or private (ttl_min)"));
    }
}

/// What is said of a cache that is told.
fn told(outer: &afterimage_cdn::Config) -> String {
    use afterimage_cdn::{By, Kind};
    let by = match &outer.kind {
        Kind::CloudFront(of) | Kind::Edge(of) => match of.by {
            None => ", by tag where it reads Cache-Tag, else by wildcard",
            Some(By::Paths) => ", by canonical path: IT MUST LOOK PICTURES UP THAT WAY",
            Some(_) => ", by wildcard",
        },
        Kind::Cloudflare(_) | Kind::Varnish(_) => ", by tag",
        Kind::Webhook(_) => "; what becomes of it is the receiver's",
    };
    format!("is gone when {} says so; receipts are open until then{by}", outer.kind.word())
}

fn window(window: Duration, key: &str) -> String {
    if window.is_zero() {
        return format!("is never served again: the source is asked on every hit ({key} 0s)");
    }
    format!("is not served later than {} after, even if every event is lost ({key})", display(window))
}

fn stored(settings: &Settings) -> String {
    let fill = display(settings.purge.fill_timeout);
    let interval = settings.purge.reconcile_interval;
    if interval.is_zero() {
        return format!(
            "is gone once its event is handled, at most {fill} later; a lost event waits for `afterimage reconcile`"
        );
    }
    let scan = match settings.purge.reconcile_requests_max {
        0 => "one scan (purge.reconcile_interval)".to_owned(),
        max => format!(
            "as many scans of {} requests as there is stored (purge.reconcile_interval, purge.reconcile_requests_max)",
            grouped(max)
        ),
    };
    format!(
        "is gone once its event is handled, at most {fill} later; if it was lost, after at most {} and {scan}",
        display(interval)
    )
}

/// What is said of a CDN that reads the bucket of derivatives itself.
fn copies(settings: &Settings) -> String {
    let lost = match settings.purge.reconcile_interval {
        interval if interval.is_zero() => "waits for `afterimage reconcile`".to_owned(),
        interval => format!("is gone after a comparison (purge.reconcile_interval, {})", display(interval)),
    };
    format!(
        "IS SERVED WITHOUT ASKING whether its original is there, by a CDN that reads them (derivatives.copies), until its event is \
         handled and that CDN was told; if it was lost, it {lost}"
    )
}

fn disk_tier(settings: &Settings) -> String {
    let Some(directory) = &settings.cache.disk_directory else {
        return "nothing: derivatives are on disk already (cache.disk_directory)".into();
    };
    format!(
        "up to {} in {}, pictures beside their derivatives: a purge holds there before it is acknowledged, and after a restart \
         originals are proven anew",
        settings.cache.disk_bytes_max,
        directory.display()
    )
}

fn beyond(age: Duration, key: &str, why: &str) -> String {
    if age.is_zero() {
        return format!("is asked for again each time ({key} 0s)");
    }
    format!("may stay {} longer ({key}): {why}", display(age))
}

fn unprovable(settings: &Settings) -> String {
    match settings.source.on_unprovable {
        OnUnprovable::Refuse => "is answered with 503 once the window is over (source.on_unprovable)".into(),
        OnUnprovable::ServeStale(age) => format!(
            "MAY BE SERVED for {} while the source cannot be asked (source.on_unprovable); 503 after that",
            display(age)
        ),
    }
}

fn unsigned(settings: &Settings, shape: Shape) -> String {
    if shape.open {
        return "anything within the limits (policy.open): for experiments, the number of variants is not bounded"
            .into();
    }
    if settings.signing.required {
        return "nothing (signing.required)".into();
    }
    let policy = &settings.policy;
    let sizes = match policy.kind {
        PolicyKind::Ladder => {
            let ends = policy.ladder.first().zip(policy.ladder.last());
            let (least, most) = ends.map_or((0, 0), |(least, most)| (*least, *most));
            format!(
                "{} sizes from {least} to {most}, {} ratios, {} qualities",
                policy.ladder.len(),
                policy.ratios.len(),
                policy.qualities.len()
            )
        }
        PolicyKind::Dims => {
            let squares: Vec<String> = policy.dims.iter().map(|side| format!("{side}x{side}")).collect();
            squares.join(" ")
        }
    };
    let presets = match settings.presets.len() {
        0 => String::new(),
        1 => ", 1 preset".into(),
        count => format!(", {count} presets"),
    };
    format!("{sizes}{presets}: at most {} variants of one original", grouped(shape.variants_max))
}

fn bare(settings: &Settings) -> String {
    let mode = match settings.originals.mode {
        OriginalsMode::Sanitised => "without GPS and personal metadata, not re-encoded",
        OriginalsMode::AsIs => "AS THEY ARE, with whatever metadata they carry",
        OriginalsMode::Deny => "not served",
    };
    let svg = if settings.originals.svg { "; SVG files too, sandboxed" } else { "" };
    format!("{mode} (originals.mode){svg}")
}

fn signed(settings: &Settings) -> String {
    match settings.signing.keys.0.len() {
        0 => "nothing: there is no key (signing.keys)".into(),
        1 => "anything within the limits; 1 key verifies".into(),
        keys => format!("anything within the limits; {keys} keys verify, the first one signs"),
    }
}

fn limits(settings: &Settings) -> String {
    let limits = &settings.limits;
    format!(
        "originals to {} and {} pixels; pictures to {} a side and {} pixels",
        limits.source_bytes_max,
        grouped(limits.pixels_max),
        grouped(limits.output_side_max.into()),
        grouped(limits.output_pixels_max)
    )
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Sources;

    fn with(settings: &[(&str, &str)]) -> String {
        let settings = Settings::load(&Sources::overriding(settings)).unwrap();
        promise(&settings, Shape { variants_max: 12_345, open: settings.policy.open })
    }

    #[test]
    fn the_default_promise_names_window_ages_and_number_of_variants() {
        let text = with(&[]);
        for words in [
            "later than 1s after",
            "may stay 1m longer",
            "may stay 1d longer",
            "32 sizes from 16 to 3840",
            "answered with 503",
            "at most 12,345 variants",
            "nothing: derivatives are on disk already",
        ] {
            assert!(text.contains(words), "{words} in\n{text}");
        }
    }

    #[test]
    fn weaker_settings_print_a_weaker_promise() {
        for (settings, words) in [
            (&[("source.window", "0")][..], "never served again"),
            (&[("source.on_unprovable", "1h")], "MAY BE SERVED for 1h"),
            (&[("purge.reconcile_interval", "0")], "waits for `afterimage reconcile`"),
            (&[("purge.reconcile_requests_max", "50000")], "scans of 50,000 requests"),
            (&[("http.browser_age", "0")], "asked for again each time"),
            (&[("policy.open", "true")], "not bounded"),
            (&[("signing.required", "true"), ("signing.keys", "a 0123456789abcdef")], "nothing (signing.required)"),
            (&[("originals.mode", "as-is")], "AS THEY ARE"),
            (&[("server.trust", "canonical")], "by canonical path"),
            (&[("policy.kind", "dims")], "100x100 200x200 300x300 400x400"),
            (&[("cache.disk_directory", "/var/tier")], "up to 10GiB in /var/tier"),
            (&[("presets.thumb", "w=200")], "1 preset:"),
        ] {
            let text = with(settings);
            assert!(text.contains(words), "{words} in\n{text}");
        }
    }

    #[cfg(feature = "s3")]
    #[test]
    fn copies_promise_no_more_than_an_event_and_a_comparison_do() {
        let bucket = ("derivatives.url", "s3://derived/");
        assert!(!with(&[bucket]).contains("copies"));
        let text = with(&[bucket, ("derivatives.copies", "true")]);
        for words in
            ["from its copies         IS SERVED WITHOUT ASKING", "after a comparison (purge.reconcile_interval, 1d)"]
        {
            assert!(text.contains(words), "{words} in\n{text}");
        }
        let never = with(&[bucket, ("derivatives.copies", "true"), ("purge.reconcile_interval", "0")]);
        assert!(never.contains("it was lost, it waits for `afterimage reconcile`"), "{never}");
    }

    #[test]
    fn each_mount_has_its_own_promise() {
        let text = with(&[
            ("source.directory", "/srv/pictures"),
            ("source.mounts", "shop/ hosts=img.example.com;*.cdn.example http://origin.example/, a/ window=0s /srv/a"),
        ]);
        for words in [
            "of shop/                is not served later than 1m after",
            "of a/                   is never served again: the source is asked on every hit (the mount's window 0s)",
            "from this server        is not served later than 1s after",
            "on img.example.com, *.cdn.example: what lies below shop/, and nothing else; on no other host",
            "counts as gone on a 404 or 410",
        ] {
            assert!(text.contains(words), "{words} in\n{text}");
        }
    }

    #[test]
    fn every_outer_cache_is_named_and_no_secret_is() {
        let text = with(&[(
            "cdn",
            "name=cf kind=cloudfront distribution=E2 by=paths name=flare kind=cloudflare zone=z secret=hunter2",
        )]);
        for words in ["from cf ", "THAT WAY", "from flare ", "by tag", "may stay 1d longer"] {
            assert!(text.contains(words), "{words} in\n{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn what_passes_is_promised_apart_and_only_where_it_does() {
        assert!(!with(&[]).contains("no picture"));
        let text = with(&[
            ("pass.origin", "http://www.example.com/"),
            ("pass.stale_if_error", "1h"),
            ("behaviours", "path=/a* ttl_min=2m path=/b"),
        ]);
        for words in ["to http://www.example.com/", "MAY BE SERVED STALE for 1h", "/a*", "IS KEPT for 2m"] {
            assert!(text.contains(words), "{words} in\n{text}");
        }
    }

    #[test]
    fn how_events_of_buckets_arrive_is_said() {
        assert!(!with(&[]).contains("buckets"));
        let text = with(&[("events.buckets", "img")]);
        for words in ["deliveries", "POST /events"] {
            assert!(text.contains(words), "{words} in\n{text}");
        }
    }

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
