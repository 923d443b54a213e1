//! What each kind of outer cache allows and costs: data, with where it was read and when.

/// How an account at Cloudflare is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Free.
    Free,
    /// Pro.
    Pro,
    /// Business.
    Business,
    /// Enterprise.
    Enterprise,
}

/// What one kind of outer cache allows and costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The row's name.
    pub name: &'static str,
    /// The most items of one call.
    pub items_per_call: usize,
    /// The most exact paths and tags in progress at once.
    pub exact_in_progress: usize,
    /// The most wildcards in progress at once.
    pub wildcards_in_progress: usize,
    /// The most batches in progress at once: each is looked at again and again, and what waits meanwhile goes out together.
    pub batches_in_progress: usize,
    /// The longest item, in characters.
    pub item_chars_max: usize,
    /// How many calls may go out at once.
    pub calls_burst: u32,
    /// How many calls a minute after that.
    pub calls_per_min: u32,
    /// How many items a month cost nothing.
    pub items_free: u64,
    /// What each further item costs, in millionths of a dollar.
    pub item_microdollars: u64,
    /// Where this was read, and when.
    pub source: &'static str,
}

/// The whole table.
pub const LIMITS: &[Limits] = &[
    Limits {
        name: "cloudfront",
        items_per_call: 3000,
        exact_in_progress: 3000,
        wildcards_in_progress: 15,
        batches_in_progress: 8,
        item_chars_max: 4000,
        // CloudFront publishes no rate; callers report "Rate exceeded" at about ten calls within a second.
        calls_burst: 5,
        calls_per_min: 120,
        items_free: 1000,
        item_microdollars: 5000,
        source: "CloudFront Developer Guide, quotas and \"Pay for file invalidation\"; November 2026",
    },
    // Its own defaults, `invalidation.paths_max` and `invalidation.wildcards_max`; it has no rate and no price.
    Limits {
        name: "edge",
        items_per_call: 3000,
        exact_in_progress: 3000,
        wildcards_in_progress: 15,
        batches_in_progress: 64,
        item_chars_max: 4000,
        calls_burst: 50,
        calls_per_min: 6000,
        items_free: 0,
        item_microdollars: 0,
        source: "docs/reference/settings.md of afterimage",
    },
    cloudflare("cloudflare-free", 25, 5),
    cloudflare("cloudflare-pro", 25, 300),
    cloudflare("cloudflare-business", 50, 600),
    cloudflare("cloudflare-enterprise", 500, 3000),
    Limits {
        name: "varnish",
        // One request each: Varnish has no list.
        items_per_call: 100,
        exact_in_progress: 400,
        // Every lookup is tested against each ban younger than its object.
        wildcards_in_progress: 100,
        // Varnish takes 8 KiB a header line by default.
        batches_in_progress: 8,
        item_chars_max: 4000,
        calls_burst: 500,
        calls_per_min: 60_000,
        items_free: 0,
        item_microdollars: 0,
        source: "Varnish 7.1, varnishd(1): http_req_hdr_len; November 2026",
    },
    Limits {
        name: "webhook",
        items_per_call: 1000,
        exact_in_progress: 4000,
        wildcards_in_progress: 4000,
        batches_in_progress: 64,
        item_chars_max: 4000,
        calls_burst: 10,
        calls_per_min: 600,
        items_free: 0,
        item_microdollars: 0,
        source: "our own choice: a body stays below 4 MB",
    },
];

const fn cloudflare(name: &'static str, calls_burst: u32, calls_per_min: u32) -> Limits {
    Limits {
        name,
        items_per_call: 100,
        exact_in_progress: 1000,
        wildcards_in_progress: 1000,
        batches_in_progress: 64,
        item_chars_max: 1024,
        calls_burst,
        calls_per_min,
        items_free: 0,
        item_microdollars: 0,
        source: "developers.cloudflare.com/cache/how-to/purge-cache, \"last updated Jul 29, 2026\"; per account",
    }
}

impl Limits {
    /// The row of this name.
    pub(crate) fn of(name: &str) -> Self {
        LIMITS.iter().find(|row| row.name == name).copied().unwrap_or_else(|| unreachable!("{name} is in the table"))
    }

    /// In how many waves so many items go out, each only when the one before is complete.
    pub(crate) fn waves(&self, exact: usize, wildcards: usize) -> usize {
        exact.div_ceil(self.exact_in_progress).max(wildcards.div_ceil(self.wildcards_in_progress))
    }
}

impl Plan {
    /// The plan's row.
    pub(crate) fn limits(self) -> Limits {
        Limits::of(match self {
            Self::Free => "cloudflare-free",
            Self::Pro => "cloudflare-pro",
            Self::Business => "cloudflare-business",
            Self::Enterprise => "cloudflare-enterprise",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_worked_with() {
        for row in LIMITS {
            assert!(row.items_per_call >= 1 && row.wildcards_in_progress >= 1 && row.calls_burst >= 1, "{row:?}");
            assert!(row.exact_in_progress >= row.items_per_call.min(row.exact_in_progress), "{row:?}");
            assert!(row.calls_per_min >= 1 && !row.source.is_empty(), "{row:?}");
        }
        for plan in [Plan::Free, Plan::Pro, Plan::Business, Plan::Enterprise] {
            assert_eq!(plan.limits().items_per_call, 100);
        }
    }

    #[test]
    fn waves_at_the_bound_and_past_it() {
        let limits = Limits::of("cloudfront");
        for ((exact, wildcards), waves) in
            [((0, 0), 0), ((1, 0), 1), ((3000, 15), 1), ((3001, 15), 2), ((3000, 16), 2), ((1, 46), 4)]
        {
            assert_eq!(limits.waves(exact, wildcards), waves, "{exact} {wildcards}");
        }
    }
}
