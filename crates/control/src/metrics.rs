//! The counters in the OpenMetrics text format, gathered anew at each scrape.

use afterimage_cache::{DiskUsage, DropWhy, Usage};
use afterimage_edge::{Load, Snapshot, WorkerCounts};
use afterimage_events::Counts as EventCounts;
use afterimage_identity::Absence;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::invalidate::Counts;
use crate::meters::{self, Listener, Origin};

/// What the write story has to say about itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Purges {
    pub(crate) open: u64,
    pub(crate) held: u64,
    pub(crate) parked: u64,
    pub(crate) waiting: u64,
    pub(crate) oldest_s: u64,
    pub(crate) is_unwritten: bool,
}

/// Everything that is counted, at one moment.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) edge: Snapshot,
    pub(crate) cache: Usage,
    pub(crate) renders: Load,
    pub(crate) purges: Purges,
    pub(crate) invalidations: Counts,
    pub(crate) absences: Vec<(String, Absence)>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) crowded: Vec<(String, u64)>,
    pub(crate) events: EventCounts,
}

impl Sample {
    /// The text that a scraper reads.
    pub(crate) fn text(self) -> String {
        let mut registry = Registry::with_prefix("afterimage");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

/// What lies on disk, and what was done there.
fn disk(disk: &DiskUsage, encoder: &mut DescriptorEncoder) -> Result<(), std::fmt::Error> {
    let counters = [
        ("cache_disk_hits", "Entries that memory did not have and disk had", disk.hits),
        ("cache_disk_misses", "Entries that neither had", disk.misses),
        ("cache_disk_writes", "Entries written to disk", disk.writes),
        ("cache_disk_evicted", "Entries evicted from disk for space", disk.evicted),
        ("cache_disk_erased", "Entries erased from disk for truth", disk.erased),
    ];
    for (name, help, value) in counters {
        let counter = ConstCounter::new(value);
        counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
    }
    let none = ConstCounter::new(0u64);
    let help = "Entries that are not on disk, or not any more, by why";
    let mut dropped = encoder.encode_descriptor("cache_disk_dropped", help, None, none.metric_type())?;
    for (why, count) in DropWhy::ALL.iter().zip(disk.dropped) {
        ConstCounter::new(count).encode(dropped.encode_family(&[("why", why.word())])?)?;
    }
    let gauges = [
        ("cache_disk_on", "1 while the cache on disk is read and written", u64::from(disk.on)),
        ("cache_disk_counted", "1 once everything that lay there at the start is counted", u64::from(disk.counted)),
        ("cache_disk_entries", "Entries on disk", disk.entries),
        ("cache_disk_bytes", "Bytes that they take, in whole blocks", disk.bytes),
        ("cache_disk_bytes_max", "Bytes that they may take", disk.bytes_max),
    ];
    for (name, help, value) in gauges {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
    }
    Ok(())
}

/// What became of worker processes, and how well they are enclosed.
fn workers(counts: &WorkerCounts, encoder: &mut DescriptorEncoder) -> Result<(), std::fmt::Error> {
    let counters = [
        ("workers_started", "Worker processes started", counts.started),
        ("workers_failed", "Starts of worker processes that came to nothing", counts.failed),
        ("workers_replaced", "Worker processes replaced after their share of renders", counts.replaced),
        ("worker_renders", "Renders that worker processes answered", counts.jobs),
    ];
    for (name, help, value) in counters {
        let counter = ConstCounter::new(value);
        counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
    }
    let none = ConstCounter::new(0u64);
    let help = "Worker processes that died with a render in hand, by cause";
    let mut deaths = encoder.encode_descriptor("worker_deaths", help, None, none.metric_type())?;
    for (cause, count) in &counts.deaths {
        ConstCounter::new(*count).encode(deaths.encode_family(&[("cause", *cause)])?)?;
    }
    let alive = ConstGauge::new(i64::try_from(counts.alive).unwrap_or(i64::MAX));
    alive.encode(encoder.encode_descriptor("workers_alive", "Worker processes", None, alive.metric_type())?)?;
    let help = "Whether a protection holds around worker processes";
    let mut walls = encoder.encode_descriptor("worker_protected", help, None, alive.metric_type())?;
    for (protection, holds) in &counts.protections {
        ConstGauge::new(i64::from(*holds)).encode(walls.encode_family(&[("protection", *protection)])?)?;
    }
    Ok(())
}

impl Collector for Sample {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let none = ConstCounter::new(0u64);
        let mut answers = encoder.encode_descriptor(
            "answers",
            "Answers, by the reason that Cache-Status names",
            None,
            none.metric_type(),
        )?;
        for (reason, count) in &self.edge.answers {
            ConstCounter::new(*count).encode(answers.encode_family(&[("reason", reason.word())])?)?;
        }
        let mut misses = encoder.encode_descriptor(
            "misses",
            "Answers that memory could not give, by why",
            None,
            none.metric_type(),
        )?;
        for (why, count) in &self.edge.misses {
            ConstCounter::new(*count).encode(misses.encode_family(&[("why", *why)])?)?;
        }
        let proven = |absence: &Absence| ConstGauge::new(i64::from(*absence == Absence::Proven));
        let mut sources = encoder.encode_descriptor(
            "source_proves_absence",
            "Whether a source on another machine has shown that its 404 proves absence, by the prefix of its keys",
            None,
            proven(&Absence::Unknown).metric_type(),
        )?;
        for (prefix, absence) in &self.absences {
            proven(absence).encode(sources.encode_family(&[("prefix", prefix.as_str())])?)?;
        }
        let families = [
            ("events_heard", "Records of bucket events, by dialect", "dialect", &self.events.heard),
            (
                "events_ignored",
                "Records of bucket events that meant no work, by reason",
                "reason",
                &self.events.ignored,
            ),
            ("events_outcomes", "What became of bucket events and their messages", "outcome", &self.events.outcomes),
        ];
        for (name, help, label, values) in families {
            let mut family = encoder.encode_descriptor(name, help, None, none.metric_type())?;
            for (word, count) in values {
                ConstCounter::new(*count).encode(family.encode_family(&[(label, *word)])?)?;
            }
        }
        let help = "Times that the quotas of a cache in front were full by what another process has in progress there";
        let mut crowded = encoder.encode_descriptor("outer_quota_shared", help, None, none.metric_type())?;
        for (layer, count) in &self.crowded {
            ConstCounter::new(*count).encode(crowded.encode_family(&[("layer", layer.as_str())])?)?;
        }
        let counters = [
            ("body_bytes", "Bytes of bodies sent", self.edge.body_bytes),
            ("fills", "Fills begun", self.edge.fills),
            ("fill_microseconds", "Time that fills took until their answer was there", self.edge.fill_time_us),
            ("source_questions", "Questions to the source about proofs grown old", self.edge.questions),
            ("cache_evicted", "Entries evicted for space", self.cache.evicted),
            ("cache_erased", "Entries erased for truth", self.cache.erased),
            ("invalidations", "Invalidations and PURGEs", self.invalidations.total),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        let gauges = [
            ("cache_bytes", "Bytes that cached entries take", self.cache.bytes),
            ("cache_bytes_max", "Bytes that they may take", self.cache.bytes_max),
            ("cache_entries", "Cached entries", self.cache.entries),
            ("cache_fences", "Selectors in the fence log", self.cache.fences),
            ("fills_under_way", "Fills under way, their storing included", self.cache.fills),
            ("renders_running", "Renders running", self.renders.running as u64),
            ("renders_waiting", "Renders waiting", self.renders.waiting as u64),
            (
                "render_bytes_in_flight",
                "Bytes that running renders were predicted to need",
                self.renders.bytes_in_flight,
            ),
            ("purges_open", "Purges not finished", self.purges.open),
            ("purges_held", "Originals whose purge waits for a person", self.purges.held),
            ("purges_parked", "Purges that an outer cache refused", self.purges.parked),
            ("purge_oldest_seconds", "Age of the oldest purge that is not finished", self.purges.oldest_s),
            ("purge_events_waiting", "Events that wait to be looked into", self.purges.waiting),
            ("purge_journal_broken", "1 while the journal cannot be written", u64::from(self.purges.is_unwritten)),
            ("invalidations_in_progress", "Invalidations not yet erased", self.invalidations.in_progress),
            ("invalidation_oldest_seconds", "Age of the oldest invalidation in progress", self.invalidations.oldest_s),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        self.renders.workers.as_ref().map_or(Ok(()), |counts| workers(counts, &mut encoder))?;
        meters::listeners(&mut encoder, &self.listeners)?;
        meters::origins(&mut encoder, &self.origins)?;
        self.cache.disk.as_ref().map_or(Ok(()), |usage| disk(usage, &mut encoder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meters::Handshakes;
    use afterimage_edge::Reason;
    use afterimage_identity::Instead;

    #[test]
    fn every_reason_has_its_counter() {
        let (answers, misses) = (vec![(Reason::Memory, 7)], vec![("fenced", 3)]);
        let edge = Snapshot { answers, misses, body_bytes: 9, ..Snapshot::default() };
        let mut dropped = [0; DropWhy::ALL.len()];
        dropped[DropWhy::Damaged as usize] = 8;
        let sample = Sample {
            edge,
            cache: Usage { disk: Some(DiskUsage { dropped, hits: 4, ..DiskUsage::default() }), ..Usage::default() },
            renders: Load {
                workers: Some(WorkerCounts {
                    deaths: vec![("crash", 2)],
                    protections: vec![("files", true), ("system-calls", false)],
                    ..WorkerCounts::default()
                }),
                ..Load::default()
            },
            purges: Purges { open: 1, held: 2, oldest_s: 4, ..Purges::default() },
            invalidations: Counts { total: 3, in_progress: 1, oldest_s: 5 },
            absences: vec![("a/".into(), Absence::Proven), (String::new(), Absence::Unproven(Instead::Refused))],
            listeners: vec![Listener {
                name: "pictures",
                open: 6,
                handshakes: Some(Handshakes { failed: vec![("timeout", 8)], ..Handshakes::default() }),
                ..Listener::default()
            }],
            origins: vec![Origin { url: "http://a/\"".into(), purpose: "pass", failures: 9, ..Origin::default() }],
            crowded: vec![("cf".into(), 2)],
            events: EventCounts { ignored: vec![("derivative", 4)], ..EventCounts::default() },
        };
        let text = sample.text();
        assert!(text.contains("afterimage_answers_total{reason=\"memory\"} 7"), "{text}");
        assert!(text.contains("afterimage_misses_total{why=\"fenced\"} 3"), "{text}");
        assert!(text.contains("afterimage_body_bytes_total 9"), "{text}");
        assert!(text.contains("afterimage_source_proves_absence{prefix=\"a/\"} 1"), "{text}");
        assert!(text.contains("afterimage_source_proves_absence{prefix=\"\"} 0"), "{text}");
        assert!(text.contains("afterimage_cache_disk_hits_total 4"), "{text}");
        assert!(text.contains("afterimage_cache_disk_dropped_total{why=\"damaged\"} 8"), "{text}");
        assert!(text.contains("afterimage_events_ignored_total{reason=\"derivative\"} 4"), "{text}");
        assert!(text.contains("afterimage_worker_deaths_total{cause=\"crash\"} 2"), "{text}");
        assert!(text.contains("afterimage_worker_protected{protection=\"system-calls\"} 0"), "{text}");
        assert!(text.contains("afterimage_purges_held 2"), "{text}");
        assert!(text.contains("afterimage_purge_oldest_seconds 4"), "{text}");
        assert!(text.contains("afterimage_connections_open{listener=\"pictures\"} 6"), "{text}");
        let failed = "afterimage_tls_handshakes_failed_total{listener=\"pictures\",reason=\"timeout\"} 8";
        assert!(text.contains(failed), "{text}");
        let origin = "afterimage_origin_failures_total{origin=\"http://a/\\\"\",purpose=\"pass\"} 9";
        assert!(text.contains(origin), "{text}");
        assert!(text.contains("afterimage_outer_quota_shared_total{layer=\"cf\"} 2"), "{text}");
        assert!(text.contains("afterimage_invalidations_total 3"), "{text}");
        assert!(text.contains("afterimage_invalidation_oldest_seconds 5"), "{text}");
    }
}
