//! From settings to each crate's own configuration.

use std::io;
use std::path::Path;

use afterimage_edge::{
    Config as Edge, Cors, Fallback, Isolated, Isolation as Isolating, PassThrough, PoolConfig, WorkerCommand,
};
use afterimage_imaging as imaging;
use afterimage_variant as variant;
use bytes::Bytes;

use crate::choice::{
    AvifChroma, ColorSpace, Isolation, OnUnprovable, OriginalsMode, PngEffort, QualityScale, Scaling, WatchMode,
};
use crate::{DiskTier, Locations, Mistake, Settings, Source, Wiring};

/// Reads a file whole; lent by the top rank for the fallback picture.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

impl Settings {
    /// How pictures are read and made.
    pub fn imaging(&self) -> imaging::Settings {
        imaging::Settings {
            limits: imaging::Limits {
                source_bytes_max: self.limits.source_bytes_max.get(),
                pixels_max: self.limits.pixels_max,
                frames_max: self.limits.frames_max,
                output_pixels_max: self.limits.output_pixels_max,
                metadata_bytes_max: self.limits.metadata_bytes_max.get(),
                scans_max: self.limits.scans_max,
                render_ms_max: milliseconds(self.render.timeout),
            },
            keep_copyright: self.output.copyright,
            avif_speed: self.output.avif_speed,
            webp_method: self.output.webp_method,
            png_effort: match self.output.png_effort {
                PngEffort::Fast => imaging::PngEffort::Fast,
                PngEffort::Small => imaging::PngEffort::Small,
            },
            scaling: match self.output.scaling {
                Scaling::Best => imaging::Scaling::Best,
                Scaling::Fast => imaging::Scaling::Fast,
            },
            linear_light: self.output.linear_light,
            gamut_default: match self.output.color_space {
                ColorSpace::Srgb => variant::Gamut::Srgb,
                ColorSpace::Origin => variant::Gamut::Origin,
            },
            quality_default: imaging::QualityDefaults {
                jpeg: self.output.jpeg_quality,
                webp: self.output.webp_quality,
                avif: self.output.avif_quality,
            },
            quality_scale: match self.output.quality_scale {
                QualityScale::Equal => imaging::QualityScale::Equal,
                QualityScale::Encoder => imaging::QualityScale::Encoder,
            },
            auto_score: self.output.auto_score,
            avif_chroma: match self.output.avif_chroma {
                AvifChroma::ByContent => imaging::Chroma::ByContent,
                AvifChroma::Halved => imaging::Chroma::Halved,
                AvifChroma::Whole => imaging::Chroma::Whole,
            },
            allow_svg: self.originals.svg,
            srcset_widths: self.policy.ladder.clone(),
        }
    }

    /// How workers are used, if any are. `command` is a program that serves [`imaging::job`]s.
    pub fn isolation(&self, command: WorkerCommand) -> Option<Isolating> {
        let which = match self.render.isolation {
            Isolation::None => return None,
            Isolation::Native => Isolated::Native,
            Isolation::All => Isolated::All,
        };
        Some(Isolating { which, command, jobs_max: self.render.worker_jobs_max })
    }

    /// Bytes of originals that are in memory at once: the largest fits, and they stay below what renders may take.
    fn originals_bytes_max(&self) -> u64 {
        (self.render.memory_bytes_max.get() / 4).max(self.limits.source_bytes_max.get())
    }

    /// The read story's configuration.
    ///
    /// # Errors
    /// What the crates below refuse, and a fallback picture that cannot be read or is none.
    pub fn edge(&self, read: ReadFile<'_>) -> Result<Edge, Vec<Mistake>> {
        let seconds = |duration: std::time::Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let http = &self.http;
        let config = Edge {
            source: self.source.name.clone(),
            hosts: self.hosts()?,
            originals: match self.originals.mode {
                OriginalsMode::Sanitised => afterimage_edge::OriginalsMode::Sanitised,
                OriginalsMode::AsIs => afterimage_edge::OriginalsMode::AsIs,
                OriginalsMode::Deny => afterimage_edge::OriginalsMode::Deny,
            },
            stale_when_unprovable: match self.source.on_unprovable {
                OnUnprovable::Refuse => None,
                OnUnprovable::ServeStale(stale) => Some(stale),
            },
            source_bytes_max: self.limits.source_bytes_max.get(),
            originals_bytes_max: self.originals_bytes_max(),
            browser_age_s: seconds(http.browser_age),
            shared_age_s: seconds(http.shared_age),
            error_age_s: seconds(http.error_age),
            pending_age_s: seconds(http.pending_age),
            pending_wait: self.render.avif_wait,
            fill_time_max: self.purge.fill_timeout,
            copies: self.derivatives.copies,
            show_cache_key: http.show_cache_key,
            show_chosen: http.show_chosen,
            cors: Cors { origins: http.cors_origins.clone(), max_age_s: seconds(http.cors_max_age) },
            cross_origin_resource_policy: http.cross_origin_resource_policy.as_str().to_owned(),
            timing_allow_origin: http.timing_allow_origin.join(", "),
            fallback: self.fallback(read)?,
            pass: self.pass(),
            rules: self.rules(),
            imaging: self.imaging(),
        };
        let below = |mistake: variant::Mistake| Mistake::new(&mistake.key, Some(mistake.value), mistake.remedy);
        config.validate().map_err(|mistakes| mistakes.into_iter().map(below).collect::<Vec<_>>())?;
        Ok(config)
    }

    /// How requests are passed through; behaviours hold for pictures too, so they are there without an origin.
    fn pass(&self) -> Option<PassThrough> {
        let (pass, cache) = (&self.pass, &self.cache);
        if pass.origin.is_none() && self.behaviours.0.is_empty() {
            return None;
        }
        Some(PassThrough {
            routes: self.behaviours.0.clone(),
            stale_if_error: pass.stale_if_error,
            collapse_wait: pass.collapse_wait,
            request_bytes_max: pass.request_bytes_max.get(),
            item_bytes_max: cache.item_bytes_max.get().min(cache.memory_bytes_max.get()),
            collect_bytes_max: cache.memory_bytes_max.get() / 4,
            hosts: self
                .pass
                .origin
                .iter()
                .filter_map(|url| url.parse::<http::Uri>().ok()?.authority().cloned())
                .collect(),
        })
    }

    /// The origin that requests are passed to.
    fn upstream(&self) -> Option<afterimage_origin::Config> {
        let mut config = self.origin_config(self.pass.origin.as_deref()?);
        config.limits.total = self.pass.total_timeout;
        Some(config)
    }

    fn fallback(&self, read: ReadFile<'_>) -> Result<Option<Fallback>, Vec<Mistake>> {
        let Some(path) = &self.http.fallback_picture else { return Ok(None) };
        let wrong = |remedy: String| {
            vec![Mistake::new("http.fallback_picture", Some(format!("\"{}\"", path.display())), remedy)]
        };
        let body = read(path).map_err(|error| wrong(format!("cannot be read: {error}; name a picture")))?;
        let format = imaging::sniff(&body).ok_or_else(|| wrong("is no picture; name one".to_owned()))?;
        Ok(Some(Fallback { media_type: format.media_type().to_owned(), body: Bytes::from(body) }))
    }

    /// The write story's configuration.
    ///
    /// # Errors
    /// Hosts that cannot be.
    pub(crate) fn purge_config(&self, state_directory: &Path) -> Result<afterimage_purge::Config, Vec<Mistake>> {
        Ok(afterimage_purge::Config {
            source: self.source.name.clone(),
            hosts: self.hosts()?,
            state_dir: state_directory.to_owned(),
            fill_ms_max: milliseconds(self.purge.fill_timeout),
            mass_loss: afterimage_purge::MassLoss {
                percent: u8::try_from(self.purge.mass_loss_percent).unwrap_or(100),
                count: self.purge.mass_loss_count,
            },
            receipts_max: self.receipts.kept_max,
            // What waits for an outer cache must not be given up because very much was deleted at once.
            open_max: if self.cdn.0.is_empty() { 10_000 } else { 100_000 },
            scan_every_ms: Some(milliseconds(self.purge.reconcile_interval)).filter(|every| *every > 0),
            scan_requests_max: Some(self.purge.reconcile_requests_max).filter(|max| *max > 0),
            ..Default::default()
        })
    }

    /// The configuration of every part over `source` and what is mounted on it, with state at `locations`.
    ///
    /// # Errors
    /// As [`Settings::edge`].
    pub fn wiring(&self, source: &Source, locations: &Locations, read: ReadFile<'_>) -> Result<Wiring, Vec<Mistake>> {
        self.outer_caches()?;
        let mounted = self.placed().into_iter().filter(|placed| !placed.prefix.is_empty());
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Wiring {
            source: source.clone(),
            mounts: self.mounts().to_vec(),
            origins: self.origin_configs(source),
            http_originals: self.http_originals(),
            buckets: self.bucket_configs(source),
            derivatives_bucket: self.derivatives_bucket(),
            derivatives_directory: self.derivatives.directory.clone().unwrap_or_else(|| locations.derivatives.clone()),
            state_directory: locations.state.clone(),
            edge: self.edge(read)?,
            upstream: self.upstream(),
            pool: PoolConfig {
                threads: if self.render.threads == 0 { cores } else { self.render.threads },
                queue_max: self.render.queue_max,
                memory_bytes_max: self.render.memory_bytes_max.get(),
                render_time_max: self.render.timeout,
            },
            isolation: None,
            cache: afterimage_cache::Config {
                bytes_max: self.cache.memory_bytes_max.get(),
                item_bytes_max: self.cache.item_bytes_max.get().min(self.cache.memory_bytes_max.get()),
                window: self.root_window(),
                windows: mounted.map(|placed| (placed.prefix, placed.window)).collect(),
                ..Default::default()
            },
            disk: self
                .cache
                .disk_directory
                .clone()
                .map(|directory| DiskTier { directory, bytes_max: self.cache.disk_bytes_max.get() }),
            originals: afterimage_store::OriginalsConfig {
                settle_ms: milliseconds(self.source.settle),
                bytes_max: self.limits.source_bytes_max.get(),
                ..Default::default()
            },
            derivatives: afterimage_store::DerivativesConfig {
                bytes_max: self.derivatives.bytes_max.get(),
                free_bytes_min: self.derivatives.free_bytes_min.get(),
                ..Default::default()
            },
            outer: self.cdn.0.clone(),
            purge: self.purge_config(&locations.state)?,
            watch: afterimage_events::Config {
                poll_ms: milliseconds(self.watch.poll_interval),
                prefer: match self.watch.mode {
                    WatchMode::Auto => afterimage_events::Prefer::Auto,
                    WatchMode::Poll => afterimage_events::Prefer::Poll,
                },
                ..Default::default()
            },
            events: self.events_wiring(source),
        })
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
