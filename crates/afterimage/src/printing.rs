//! What commands print: receipts and reports for people. JSON goes out as the routes made it.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use afterimage_control::Planned;
use afterimage_edge::Explanation;
use afterimage_identity::{Forecast, LayerState, Receipt, ReceiptState};
use afterimage_purge::Report;

/// A moment in UTC, as RFC 3339 has it, in milliseconds.
pub fn moment(ms: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

/// One receipt.
pub fn receipt(receipt: &Receipt) -> String {
    let mut text = String::new();
    let subject = &receipt.subject;
    let state = match receipt.state {
        ReceiptState::Planned => "planned",
        ReceiptState::Fenced => "fenced",
        ReceiptState::Clean => "clean",
        ReceiptState::Done => "done",
        ReceiptState::Held => "HELD: run `afterimage reconcile --confirm` if the originals are really gone",
    };
    let _ = writeln!(text, "#{} {subject}: {} ({state})", receipt.id, receipt.reason);
    let times = [
        ("heard_at", Some(receipt.heard_at_ms)),
        ("fenced_at", receipt.fenced_at_ms),
        ("clean_at", receipt.clean_at_ms),
    ];
    for (name, at) in times {
        let Some(at) = at else { continue };
        let _ = writeln!(text, "  {name:<10} {}  (+{} ms)", moment(at), at.saturating_sub(receipt.heard_at_ms));
    }
    let _ = writeln!(
        text,
        "  fenced     {} cached answers, {} fills under way",
        receipt.entries_matched, receipt.fills_overlapping
    );
    let _ = writeln!(text, "  removed    {} derivatives", receipt.removed_count);
    for removed in &receipt.removed {
        let _ = writeln!(text, "    {} ({} bytes)", removed.key, removed.bytes);
    }
    for kept in &receipt.recoverable {
        let _ = writeln!(text, "  NOT REACHED: {kept}");
    }
    for layer in &receipt.layers {
        match &layer.state {
            LayerState::Waiting { last_error: Some(error), attempts } => {
                let _ = writeln!(text, "  {} waits after {attempts} attempts: {error}", layer.name);
            }
            LayerState::Waiting { last_error: None, .. } => {
                let _ = writeln!(text, "  {} is at it", layer.name);
            }
            LayerState::Done => {
                let _ = writeln!(text, "  {} is done", layer.name);
            }
        }
    }
    text
}

/// What a purge would take at the outer caches.
pub fn planned(planned: &[Planned]) -> String {
    if planned.is_empty() {
        return "no outer cache is configured ([[cdn]]): nothing would be sent\n".to_owned();
    }
    let mut text = String::new();
    for planned in planned {
        let forecast = match planned {
            Planned::Told(forecast) => forecast,
            Planned::Unknown { layer, why } => {
                let _ = writeln!(text, "{layer}: cannot say: {why}");
                continue;
            }
        };
        let Forecast { layer, by, items, items_count, waves, free_a_month, microdollars_max } = forecast;
        let _ = writeln!(
            text,
            "{layer}: {items_count} item(s) {by}, in {waves} wave(s), {}",
            dollars(*microdollars_max, *free_a_month)
        );
        for item in items {
            let _ = writeln!(text, "  {item}");
        }
        let unnamed = items_count.saturating_sub(items.len() as u64);
        if unnamed > 0 {
            let _ = writeln!(text, "  and {unnamed} more");
        }
    }
    text
}

/// What items cost at most, in words.
fn dollars(microdollars: u64, free_a_month: u64) -> String {
    if microdollars == 0 {
        return "at no cost".to_owned();
    }
    // Half a cent is the smallest price.
    let (whole, rest) = (microdollars / 1_000_000, microdollars % 1_000_000 / 1_000);
    format!(
        "${whole}.{rest:03} at most: the first {free_a_month} of a month, of all distributions together, cost nothing"
    )
}

/// What a reconciliation found.
pub fn report(report: &Report) -> String {
    let bytes: u64 = report.doomed.iter().map(|removed| removed.bytes).sum();
    let mut text = format!(
        "{} derivatives of {} originals ({} bytes): {} originals gone, {} changed; at least {} derivatives ({bytes} bytes) go\n",
        report.derivatives,
        report.originals,
        report.bytes,
        report.gone,
        report.changed,
        report.doomed.len()
    );
    for removed in &report.doomed {
        let _ = writeln!(text, "  {}", removed.key);
    }
    if report.copies > 0 {
        let _ = writeln!(text, "{} copies, {} of them outdated", report.copies, report.copies_outdated);
    }
    if report.unproven > 0 {
        let _ = writeln!(text, "{} originals could not be checked; nothing of theirs is removed", report.unproven);
    }
    if report.unknown > 0 {
        let _ = writeln!(text, "{} files among the derivatives are none of ours; they are left alone", report.unknown);
    }
    let _ = writeln!(text, "{}", cost(report.asked, report.listed));
    if report.paused {
        text.push_str("it stopped at its budget (purge.reconcile_requests_max); the next one goes on there\n");
    }
    if report.held {
        text.push_str("HELD: so much seems gone that nothing is removed; run again with --confirm if it really is\n");
    }
    text
}

/// What a reconciliation cost in requests, and in dollars where it is S3 that was asked: $0.0004 for a thousand HEADs, $0.005
/// for a thousand LISTs (us-east-1, standard storage).
fn cost(asked: u64, listed: u64) -> String {
    let dollars = (asked as f64 * 0.0004 + listed as f64 * 0.005) / 1_000.0;
    format!("it cost {asked} questions to the source and {listed} listings; in S3, HEADs and LISTs for ${dollars:.4}")
}

/// What a URL means.
pub fn explanation(explanation: &Explanation) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<15} {value}");
    };
    line("URL", &explanation.target);
    if let Some(host) = &explanation.host {
        line("host", host);
    }
    line("policy", &explanation.verdict);
    if let Some(status) = explanation.status {
        line("status", &status.to_string());
    }
    let fields = [
        ("original", &explanation.original),
        ("source says", &explanation.source_says),
        ("canonical path", &explanation.canonical_path),
        ("  on that host", &explanation.canonical_path_on_host),
        ("", &explanation.canonical_path_note),
        ("cache key", &explanation.cache_key),
        ("derivative key", &explanation.derivative_key),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            line(name, value);
        }
    }
    if let Some(stored) = explanation.stored {
        line("stored", if stored { "yes" } else { "no" });
    }
    line("tags", &explanation.tags.join(" "));
    line("varies", if explanation.vary_accept { "by Accept" } else { "no" });
    for changed in &explanation.changed {
        line("changed", changed);
    }
    if !explanation.ignored.is_empty() {
        line("ignored", &explanation.ignored.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_originals_cost_cents_to_compare() {
        let words = cost(1_000_000, 10_000);
        assert!(words.contains("1000000 questions") && words.ends_with("$0.4500"), "{words}");
    }

    #[test]
    fn moments_are_utc() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_392_000_123, "2026-11-23T00:00:00.123Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(moment(ms), text);
        }
    }
}
