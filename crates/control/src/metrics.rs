//! The counters in the OpenMetrics text format, gathered anew at each scrape.

use afterimage_cache::Usage;
use afterimage_edge::{Load, Snapshot};
use afterimage_events::Counts as EventCounts;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::invalidate::Counts;

/// What the write story has to say about itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Purges {
    pub(crate) open: u64,
    pub(crate) held: u64,
}

/// Everything that is counted, at one moment.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) edge: Snapshot,
    pub(crate) cache: Usage,
    pub(crate) renders: Load,
    pub(crate) purges: Purges,
    pub(crate) invalidations: Counts,
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
            ("purges_held", "Purges that wait for a person", self.purges.held),
            ("invalidations_in_progress", "Invalidations not yet erased", self.invalidations.in_progress),
            ("invalidation_oldest_seconds", "Age of the oldest invalidation in progress", self.invalidations.oldest_s),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_edge::Reason;

    #[test]
    fn every_reason_has_its_counter() {
        let (answers, misses) = (vec![(Reason::Memory, 7)], vec![("fenced", 3)]);
        let edge = Snapshot { answers, misses, body_bytes: 9, ..Snapshot::default() };
        let sample = Sample {
            edge,
            cache: Usage::default(),
            renders: Load::default(),
            purges: Purges { open: 1, held: 2 },
            invalidations: Counts { total: 3, in_progress: 1, oldest_s: 5 },
            events: EventCounts { ignored: vec![("derivative", 4)], ..EventCounts::default() },
        };
        let text = sample.text();
        assert!(text.contains("afterimage_answers_total{reason=\"memory\"} 7"), "{text}");
        assert!(text.contains("afterimage_misses_total{why=\"fenced\"} 3"), "{text}");
        assert!(text.contains("afterimage_body_bytes_total 9"), "{text}");
        assert!(text.contains("afterimage_events_ignored_total{reason=\"derivative\"} 4"), "{text}");
        assert!(text.contains("afterimage_purges_held 2"), "{text}");
        assert!(text.contains("afterimage_invalidations_total 3"), "{text}");
        assert!(text.contains("afterimage_invalidation_oldest_seconds 5"), "{text}");
    }
}
