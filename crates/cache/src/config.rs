//! What an operator may set about the cache, and what cannot be. It reads no file and no environment.

use std::time::Duration;

/// The bounds of a [`Cache`](crate::Cache).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The cache's name in receipts.
    pub name: String,
    /// All entries together, with what is kept about them: 1 byte or more.
    pub bytes_max: u64,
    /// One entry, with what is kept about it; a larger one is answered but not kept. 1 to `bytes_max`.
    pub item_bytes_max: u64,
    /// The validation window *V*: an entry is served while the proof of its original is at most this old, counted from
    /// the moment the question was sent. Zero means a question per hit, see
    /// [`Cache::look_since`](crate::Cache::look_since).
    pub window: Duration,
    /// Other windows, for the originals whose keys begin so; the longest beginning holds.
    pub windows: Vec<(String, Duration)>,
    /// How many selectors the fence log remembers: 1 or more. What was fetched or checked before the oldest of them
    /// cannot be tested and is dropped.
    pub fence_log_max: usize,
    /// How many bytes of selectors the fence log remembers; the newest always is.
    pub fence_log_bytes_max: usize,
    /// Into how many parts the look-up table is divided so that hits do not wait for each other: 1 to 1,024, rounded up
    /// to a power of two. The budget is not divided.
    pub shards: usize,
}

impl Default for Config {
    /// 256 MiB, 32 MiB an entry, a window of one second, 10,000 fences.
    fn default() -> Self {
        Self {
            name: "edge".to_owned(),
            bytes_max: 256 << 20,
            item_bytes_max: 32 << 20,
            window: Duration::from_secs(1),
            windows: Vec::new(),
            fence_log_max: 10_000,
            fence_log_bytes_max: 16 << 20,
            shards: 64,
        }
    }
}

/// One setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cache.{key} = {value}: {remedy}")]
pub struct Mistake {
    /// The setting's name.
    pub key: &'static str,
    /// What it was set to.
    pub value: String,
    /// What to do instead.
    pub remedy: &'static str,
}

impl Config {
    /// Checks every bound.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn validate(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut need = |fits: bool, key, value: u64, remedy| {
            if !fits {
                mistakes.push(Mistake { key, value: value.to_string(), remedy });
            }
        };
        let items = 1..=self.bytes_max;
        need(self.bytes_max > 0, "bytes_max", self.bytes_max, "give it at least 1 byte");
        need(items.contains(&self.item_bytes_max), "item_bytes_max", self.item_bytes_max, "use 1 to bytes_max");
        need(self.fence_log_max > 0, "fence_log_max", self.fence_log_max as u64, "use 1 or more");
        need((1..=1024).contains(&self.shards), "shards", self.shards as u64, "use 1 to 1024");
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }
}
