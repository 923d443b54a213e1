//! The write story in functions: the same purger, over journals in the bucket of derivatives, without a cache of its own and
//! without anything on the machine.

use std::path::Path;
use std::sync::Arc;

use afterimage_cdn::Layer;
use afterimage_events::{Places, QueueConfig};
use afterimage_identity::{Clock, Invalidate};
use afterimage_purge::{Journals, Parts, Purger, Shard};
use afterimage_store::bucket::Config as BucketConfig;
use afterimage_store::{Asker, BucketDerivatives, BucketOriginals, Read};

use crate::{Mistake, Mounted, Proof, Settings, Source, WireError};

/// How far the clocks of two machines may be apart: so much longer the second sweep waits.
const SKEW_MS: u64 = 1_000;

/// What the settings say to a function of the write story.
#[derive(Clone, Debug)]
pub struct WritingConfig {
    /// The write story.
    pub purge: afterimage_purge::Config,
    /// The bucket of derivatives, where the journals are too.
    pub derivatives: BucketConfig,
    /// The buckets of originals, each with the prefix of its keys; the root's first.
    pub originals: Vec<(String, BucketConfig)>,
    /// The caches to be told.
    pub outer: Vec<afterimage_cdn::Config>,
    /// Which objects are originals.
    pub places: Places,
    /// The queue of what is to be done later.
    pub later: QueueConfig,
}

impl Settings {
    /// What a function of the write story needs.
    ///
    /// # Errors
    /// What is missing for it, or cannot be with it, all at once.
    pub fn writing(&self) -> Result<WritingConfig, Vec<Mistake>> {
        let mut found = Vec::new();
        let mut missing = |key: &str, remedy: &str| found.push(Mistake::new(key, None, remedy.to_owned()));
        let root = self.root_source();
        let sources: Vec<(String, Source)> = root
            .iter()
            .map(|root| (String::new(), root.clone()))
            .chain(self.mounts().iter().map(|mount| (mount.prefix.clone(), mount.source.clone())))
            .collect();
        if root.is_none() || sources.iter().any(|(_, source)| !matches!(source, Source::Bucket(_))) {
            missing("source.url", "a function reads originals from buckets alone; write s3://BUCKET/PREFIX");
        }
        if self.derivatives.url.is_none() {
            missing(
                "derivatives.url",
                "a function keeps derivatives and its journal in a bucket; write s3://BUCKET/PREFIX",
            );
        }
        let later = self.later_queue();
        if later == Ok(None) {
            missing(
                "lambda.later_queue",
                "a function sends itself what is to be done later; write the URL of a queue of SQS",
            );
        }
        let purge = self.purge_config(Path::new(""));
        let outer = self.outer_caches();
        let (mut purge, root, derivatives, queue) = match (purge, root, self.derivatives_bucket(), later) {
            (Ok(purge), Some(root), Some(bucket), Ok(Some(queue))) if found.is_empty() && outer.is_ok() => {
                (purge, root, bucket, queue)
            }
            (purge, _, _, later) => {
                found.extend(later.err());
                found.extend(purge.err().into_iter().chain(outer.err()).flatten());
                return Err(found);
            }
        };
        let buckets = self.bucket_configs(&root);
        let places = self.events_wiring(&root).map(|events| events.places);
        let bucket = |(prefix, source): (String, Source)| Some((prefix, buckets.get(&source.to_string())?.clone()));
        purge.fills_elsewhere = true;
        purge.fill_ms_max += SKEW_MS;
        purge.scan_at_start = false;
        purge.scan_every_ms = None;
        Ok(WritingConfig {
            purge,
            derivatives,
            originals: sources.into_iter().filter_map(bucket).collect(),
            outer: self.cdn.0.clone(),
            places: places.unwrap_or(Places {
                source: self.source.name.clone(),
                originals: Vec::new(),
                derivatives: Vec::new(),
            }),
            later: queue,
        })
    }
}

/// The write story of a function, ready for one journal after the other.
pub struct Writing {
    config: WritingConfig,
    derivatives: Arc<BucketDerivatives>,
    buckets: Vec<Arc<BucketOriginals>>,
    /// All of them as one.
    originals: Arc<dyn Read>,
    clock: Arc<dyn Clock>,
    /// The journals.
    pub journals: Journals,
}

impl Writing {
    /// Opens the buckets, which have to show that absence can be proven and that what is deleted is gone: before this returns, which
    /// blocks until they have, or before the first [`purger`](Self::purger).
    ///
    /// At the start a derivative is written, read and deleted as well. A process that has no time for it finds a missing right when it
    /// uses it, and no purge is done before it was used with success.
    ///
    /// # Errors
    /// [`WireError::Store`] says which could not be had, with the remedy.
    pub fn open(config: WritingConfig, proof: Proof, clock: Arc<dyn Clock>) -> Result<Self, WireError> {
        let (derivatives, buckets) = match proof {
            Proof::AtStart => {
                let derivatives = BucketDerivatives::open(&config.derivatives)?;
                (derivatives, opened(&config, BucketOriginals::open)?)
            }
            Proof::WhenNeeded => {
                let derivatives = BucketDerivatives::open_unasked(&config.derivatives)?;
                (derivatives, opened(&config, BucketOriginals::open_unasked)?)
            }
        };
        let journals = Journals::new(Arc::new(derivatives.keep()));
        let prefixes = config.originals.iter().map(|(prefix, _)| prefix.clone());
        let read = buckets.iter().map(|bucket| bucket.clone() as Arc<dyn Read>);
        let mut placed: Vec<(String, Arc<dyn Read>)> = prefixes.zip(read).collect();
        let (_, root) = placed.remove(0);
        let originals = if placed.is_empty() { root } else { Arc::new(Mounted::new(root, placed)) };
        Ok(Self { config, derivatives: Arc::new(derivatives), buckets, originals, clock, journals })
    }

    /// The settings it was opened with.
    pub fn config(&self) -> &WritingConfig {
        &self.config
    }

    /// The write story over one journal; what is being told to outer caches is kept beside it.
    ///
    /// # Errors
    /// [`WireError::Purge`]: the journal cannot be used, or somebody else goes on with it. [`WireError::Store`] as in
    /// [`open`](Self::open), where nothing was shown yet.
    pub async fn purger(&self, shard: Shard) -> Result<Arc<Purger>, WireError> {
        self.derivatives.show().await?;
        for bucket in &self.buckets {
            bucket.show().await?;
        }
        // What a bucket keeps is known once it has shown what it is.
        let recoverable = self.buckets.iter().filter_map(|bucket| bucket.recoverable()).collect();
        let config = afterimage_purge::Config { recoverable, ..self.config.purge.clone() };
        let outer = |config: &afterimage_cdn::Config| {
            let layer = Layer::open(config, Some(shard.outbox(&config.name)), self.clock.clone());
            let layer = layer.map_err(|why| WireError::Outer(format!("{}: {why}", config.name)))?;
            Ok(Arc::new(layer) as Arc<dyn Invalidate>)
        };
        let parts = Parts {
            fences: Vec::new(),
            derivatives: self.derivatives.clone(),
            originals: self.originals.clone(),
            ask: Arc::new(Asker::new(self.originals.clone(), self.clock.clone())),
            invalidators: self.config.outer.iter().map(outer).collect::<Result<_, WireError>>()?,
            clock: self.clock.clone(),
        };
        Ok(Purger::open_shard(config, parts, shard).await?)
    }
}

fn opened(
    config: &WritingConfig,
    open: impl Fn(&BucketConfig) -> Result<BucketOriginals, afterimage_store::Error>,
) -> Result<Vec<Arc<BucketOriginals>>, afterimage_store::Error> {
    config.originals.iter().map(|(_, bucket)| open(bucket).map(Arc::new)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::of_function(environment.collect()).unwrap()
    }

    const WHOLE: [(&str, &str); 3] = [
        ("AFTERIMAGE_SOURCE_URL", "s3://pictures/o/"),
        ("AFTERIMAGE_DERIVATIVES_URL", "s3://derived"),
        ("AFTERIMAGE_LAMBDA_LATER_QUEUE", "https://sqs.eu-central-1.amazonaws.com/111122223333/later"),
    ];

    #[test]
    fn a_function_needs_buckets_and_a_queue() {
        let writing = settings(&WHOLE).writing().unwrap();
        assert!(writing.purge.fills_elsewhere && !writing.purge.scan_at_start);
        assert_eq!(writing.purge.fill_ms_max, 61_000, "longer by what clocks may be apart");
        assert_eq!(writing.places.originals.len(), 1);
        for (left_out, key) in [(0, "source.url"), (1, "derivatives.url"), (2, "lambda.later_queue")] {
            let mut pairs = WHOLE.to_vec();
            pairs.remove(left_out);
            let mistakes = settings(&pairs).writing().unwrap_err();
            assert_eq!(mistakes.iter().map(|mistake| mistake.key.as_str()).collect::<Vec<_>>(), [key]);
        }
        let all = settings(&[]).writing().unwrap_err();
        assert_eq!(all.len(), 3, "all at once: {all:?}");
        let mut wrong = WHOLE;
        wrong[2].1 = "later";
        assert_eq!(settings(&wrong).writing().unwrap_err()[0].key, "lambda.later_queue");
        let folder = [("AFTERIMAGE_SOURCE_DIRECTORY", "/pictures"), WHOLE[2]];
        assert!(settings(&folder).writing().unwrap_err().iter().any(|mistake| mistake.key == "source.url"));
    }
}
