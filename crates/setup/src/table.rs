//! Every setting, once. A line here is a field of a struct, a default, a range, a page entry and an environment variable.
//!
//! ```text
//! /// help
//! name: type = default in text form, kind with its range, Live or Restart;
//! ```

use crate::access::{AccessKeys, DistributionId};
use crate::behaviour::Behaviours;
use crate::buckets::NamedBuckets;
use crate::choice::{
    AccessForm, AvifChroma, ClientAddress, ColorSpace, CrossOriginResourcePolicy, ForwardedBy, Isolation, LogFormat,
    LogLevel, OnUnprovable, OriginalsMode, PngEffort, PolicyKind, QualityScale, Scaling, Trust, WatchMode,
};
use crate::define::{Definition, Kind, Reload, WINDOW, bytes, count, milliseconds, seconds, settings};
use crate::list::{Presets, Ratio};
use crate::mount::Mounts;
use crate::outer::OuterCaches;
use crate::secret::{Secret, SigningKeys};
use crate::size::Bytes;
use afterimage_identity::SourceId;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const DAY_S: u64 = 86_400;

settings! {
    /// Where the originals are, and how sure of them an answer must be.
    source: SourceSettings {
        /// The folder of originals. Never written to. `serve DIR` sets it.
        directory: Option<PathBuf> = "", Kind::Path, Restart;
        /// The URL of an HTTP server of originals, with a slash at its end, or s3://BUCKET/PREFIX, instead of a folder. `serve URL`
        /// sets it.
        url: Option<String> = "", Kind::Url, Restart;
        /// Further sources below prefixes of keys: "products/ https://origin.example/pictures/", "team/ /srv/team", "shop/ s3://BUCKET/PREFIX". One with
        /// `hosts` ("img.example.com", "*.cdn.example") is those hosts' alone, and all that they have. `window` is its own validation window.
        mounts: Mounts = "", Kind::Mounts, Restart;
        /// The name of this source in cache tags and receipts. Changing it abandons every stored derivative.
        name: SourceId = "main", Kind::Name, Restart;
        /// The validation window: the oldest proof that an original is still there on which a picture is served. 0 asks on
        /// every hit. Unset is 1s for a folder and 1m for an HTTP server or a bucket, each for its own originals.
        window: Option<Duration> = "", WINDOW, Restart;
        /// What to do when the source cannot be asked: "503", or serve on for this long (a weaker promise).
        on_unprovable: OnUnprovable = "503", Kind::WordOrDuration { word: "503", min: Duration::from_secs(1), max: Duration::from_secs(7 * DAY_S) }, Live;
        /// How long a file must lie still before what is made of it is stored.
        settle: Duration = "2s", milliseconds(20, 3_600_000), Restart;
    }

    /// How HTTP servers of originals are asked. See docs/operating/http-origins.md.
    origin: OriginSettings {
        /// Ranges of addresses that may be connected to beside public ones: "10.0.0.0/8". Loopback, private and link-local
        /// addresses are refused otherwise, whatever name or redirect led there.
        allow: Vec<String> = "", Kind::Texts, Restart;
        /// Ports that redirects may lead to beside 80, 443 and the URL's own.
        ports: Vec<u32> = "", Kind::Integers { min: 1, max: 65_535 }, Restart;
        /// Headers sent to one host, such as credentials: "origin.example Authorization: Bearer ...". They do not follow
        /// redirects to another server.
        headers: Vec<String> = "", Kind::Texts, Restart;
        /// Hosts that redirects may lead to. Without any, a redirect is an error.
        redirect_hosts: Vec<String> = "", Kind::Texts, Restart;
        /// Redirects followed one after the other.
        redirects_max: usize = "3", count(0, 10), Restart;
        /// Refuse originals that come with neither ETag nor Last-Modified, instead of reading them whole once per window.
        require_validator: bool = "false", Kind::Bool, Restart;
        /// The longest time until a connection stands: name, TCP and TLS.
        connect_timeout: Duration = "3s", milliseconds(10, 600_000), Restart;
        /// The longest time from a request until its answer begins.
        first_byte_timeout: Duration = "15s", milliseconds(10, 600_000), Restart;
        /// The longest silence within an answer.
        idle_timeout: Duration = "10s", milliseconds(10, 600_000), Restart;
        /// The longest time a whole exchange may take.
        total_timeout: Duration = "30s", milliseconds(10, 3_600_000), Restart;
        /// Connections in use at once, per source.
        connections_max: usize = "64", count(1, 10_000), Restart;
        /// How long a request waits for one of them.
        connection_wait: Duration = "5s", milliseconds(0, 600_000), Restart;
        /// Failures in a row after which a source is left alone for a while. 0 never leaves it alone.
        failures_max: u32 = "8", count(0, 1_000_000), Restart;
        /// For how long; then one request tries it again.
        rest: Duration = "5s", milliseconds(10, 3_600_000), Restart;
    }

    /// How buckets are asked: S3, and what speaks like it. See docs/operating/s3.md.
    s3: S3Settings {
        /// The server, where it is not AWS.
        endpoint: Option<String> = "", Kind::Text("http://127.0.0.1:9000"), Restart;
        /// The region. Unset is what environment, profile or machine say; with an endpoint, at last us-east-1.
        region: Option<String> = "", Kind::Text("eu-central-1"), Restart;
        /// Name the bucket in the path instead of the host, as most servers other than AWS want it.
        path_style: bool = "false", Kind::Bool, Restart;
        /// The profile whose credentials are used. Unset looks in the usual places: environment, profile "default", web identity,
        /// container, machine.
        profile: Option<String> = "", Kind::Text("pictures"), Restart;
        /// The file of profiles, instead of ~/.aws/config and ~/.aws/credentials.
        profiles_file: Option<PathBuf> = "", Kind::Path, Restart;
        /// Buckets that are asked otherwise than endpoint, region and path_style above say: none of the three holds for a bucket that
        /// is named here. Its profile is the one above unless it has its own.
        buckets: NamedBuckets = "", Kind::NamedBuckets, Restart;
        /// How often a request is tried in all, where a further try may help.
        attempts_max: u32 = "4", count(1, 10), Restart;
        /// The longest time until an answer begins, for one try, and the longest silence within its body.
        attempt_timeout: Duration = "10s", milliseconds(10, 600_000), Restart;
        /// The longest time for all tries together, and once more for a body.
        total_timeout: Duration = "30s", milliseconds(10, 3_600_000), Restart;
    }

    /// The listener that viewers and CDNs reach.
    server: ServerSettings {
        /// Its address and port. Port 0 takes any free one.
        listen: SocketAddr = "127.0.0.1:8080", Kind::Address, Restart;
        /// Threads that serve connections. 0 is one per core.
        workers: usize = "0", count(0, 1024), Restart;
        /// Connections at once; further ones wait to be accepted.
        connections_max: usize = "10000", count(1, 1_000_000), Restart;
        /// The longest time a client may take to send a request's headers, the wait for a further request on an open connection included.
        header_timeout: Duration = "10s", milliseconds(100, 600_000), Restart;
        /// The longest time from a request's headers to the last byte of its answer.
        request_timeout: Duration = "1m", milliseconds(100, 3_600_000), Restart;
        /// How long requests in flight may take to finish after SIGTERM.
        drain_timeout: Duration = "30s", seconds(0, 3600), Restart;
        /// "canonical" only where nobody but your own CDN or function can reach this listener: canonical paths then need no
        /// signature.
        trust: Trust = "public", Kind::Choice(Trust::WORDS), Restart;
        /// The PEM file of its certificate, the issuers' behind it. With server.tls_key: it speaks TLS, and nothing else. Both
        /// files are looked at every two seconds, and at SIGHUP: new ones are shown to new connections. See
        /// docs/operating/tls.md.
        tls_certificate: Option<PathBuf> = "", Kind::Path, Restart;
        /// The PEM file of the certificate's key.
        tls_key: Option<PathBuf> = "", Kind::Path, Restart;
        /// Addresses of proxies in front, as ranges: "10.0.0.0/8". What they say about the viewer is believed; nobody else is,
        /// loopback included. See docs/operating/proxies.md.
        trusted_proxies: Vec<String> = "", Kind::Texts, Restart;
        /// Where they say it: in "x-forwarded" (X-Forwarded-For, -Proto and -Host) or in "forwarded" (RFC 7239). The other is not
        /// read.
        forwarded: ForwardedBy = "x-forwarded", Kind::Choice(ForwardedBy::WORDS), Restart;
    }

    /// The operator's listener: index page, health, metrics, purge, receipts.
    admin: AdminSettings {
        /// Its address and port.
        listen: SocketAddr = "127.0.0.1:8081", Kind::Address, Restart;
        /// The bearer token that requests must carry. Required where the listener is not on loopback.
        token: Option<Secret> = "", Kind::Secret, Restart;
        /// Further names that a request's Host may have, beside localhost and IP addresses.
        hosts: Vec<String> = "", Kind::Texts, Restart;
        /// How far the clock of a signed request may be from ours, either way.
        clock_skew: Duration = "5m", seconds(1, 3600), Restart;
        /// The PEM file of its certificate, as server.tls_certificate.
        tls_certificate: Option<PathBuf> = "", Kind::Path, Restart;
        /// The PEM file of the certificate's key.
        tls_key: Option<PathBuf> = "", Kind::Path, Restart;
        /// The access keys whose holders may invalidate through CloudFront's interface. Without one it refuses everybody.
        access_keys: AccessKeys = "", Kind::AccessKeys, Restart;
    }

    /// Invalidations: what a client of CloudFront, or a PURGE, makes this edge forget.
    invalidation: InvalidationSettings {
        /// The id that this edge has as a distribution.
        distribution_id: DistributionId = "AFTERIMAGE", Kind::DistributionId, Restart;
        /// Exact paths and tags in progress at once.
        paths_max: usize = "3000", count(1, 100_000), Restart;
        /// Paths that end in * in progress at once.
        wildcards_max: usize = "15", count(1, 3000), Restart;
        /// Finished invalidations remembered for those who ask; beyond it the oldest are forgotten.
        kept_max: usize = "1000", count(1, 100_000), Restart;
        /// Take the method PURGE on the operator's listener.
        purge_method: bool = "false", Kind::Bool, Restart;
    }

    /// Where finished pictures are kept, and how many.
    derivatives: DerivativesSettings {
        /// The folder of derivatives. Unset is $XDG_CACHE_HOME/afterimage/ID.
        directory: Option<PathBuf> = "", Kind::Path, Restart;
        /// A bucket instead of the folder: s3://BUCKET/PREFIX, apart from all originals. Its bytes are not bounded here; give it a
        /// lifecycle rule.
        url: Option<String> = "", Kind::Text("s3://derived-pictures/"), Restart;
        /// The profile whose credentials are used for that bucket. Unset is as for originals.
        profile: Option<String> = "", Kind::Text("derived"), Restart;
        /// Keep each picture in that bucket once more under its canonical path, for a CDN that asks the bucket first and this server
        /// only for what is not there. A weaker promise: nobody asks there whether the original still exists. See
        /// docs/operating/aws.md.
        copies: bool = "false", Kind::Bool, Restart;
        /// Bytes kept in the folder; beyond it the least recently used go.
        bytes_max: Bytes = "10GiB", bytes(MIB, 1024 * TIB), Restart;
        /// Bytes that stay free on the file system whatever else is said.
        free_bytes_min: Bytes = "1GiB", bytes(0, 1024 * TIB), Restart;
    }

    /// Pictures and answers in memory, and on disk where a folder is named.
    cache: CacheSettings {
        /// Bytes of pictures kept in memory.
        memory_bytes_max: Bytes = "256MiB", bytes(MIB, 16 * TIB), Restart;
        /// The largest picture kept in memory; larger ones are answered from the store each time.
        item_bytes_max: Bytes = "32MiB", bytes(KIB, TIB), Restart;
        /// The folder of a second tier on disk, for what memory has no room for and for a warm start; it has to lie apart from
        /// originals, derivatives and state, and nothing else may be in it. Unset is none: derivatives are on disk already, so it
        /// is worth its room where answers are passed through, or originals come from HTTP servers. See docs/operating/disk-tier.md.
        disk_directory: Option<PathBuf> = "", Kind::Path, Restart;
        /// Bytes kept there, in whole blocks of the file system; beyond it what is asked for least goes.
        disk_bytes_max: Bytes = "10GiB", bytes(MIB, 1024 * TIB), Restart;
    }

    /// The pool that makes pictures.
    render: RenderSettings {
        /// Pictures made at once. 0 is one per core.
        threads: usize = "0", count(0, 1024), Restart;
        /// Pictures waiting for a thread; beyond it the answer is 503 with Retry-After.
        queue_max: usize = "256", count(1, 100_000), Restart;
        /// Bytes of all pictures being made, as predicted from their headers.
        memory_bytes_max: Bytes = "1GiB", bytes(16 * MIB, 16 * TIB), Restart;
        /// The longest time one picture may take.
        timeout: Duration = "15s", milliseconds(100, 600_000), Restart;
        /// Which pictures are made in worker processes that can reach nothing. "native": AVIF in and out, and rare kinds of JPEG:
        /// what only native code can do, and nothing can stop. "all": every picture. "none": all in the server itself.
        isolation: Isolation = "native", Kind::Choice(Isolation::WORDS), Restart;
        /// Pictures after which a worker process is replaced.
        worker_jobs_max: u32 = "256", count(1, 1_000_000), Restart;
        /// How long auto=format waits for its AVIF before it answers WebP with a short life.
        avif_wait: Duration = "50ms", milliseconds(0, 60_000), Live;
    }

    /// What a picture may be. All are checked before memory is allocated.
    limits: LimitsSettings {
        /// Bytes of an original.
        source_bytes_max: Bytes = "64MiB", bytes(KIB, 4 * GIB), Restart;
        /// Width times height times frames of an original.
        pixels_max: u64 = "100000000", count(1, 1_000_000_000), Live;
        /// Frames of an animation.
        frames_max: u32 = "500", count(1, 100_000), Live;
        /// Bytes of metadata read from an original, inflated.
        metadata_bytes_max: Bytes = "8MiB", bytes(KIB, GIB), Live;
        /// Scans of a progressive JPEG.
        scans_max: u32 = "64", count(1, 1000), Live;
        /// The longer side of a picture made, in pixels.
        output_side_max: u32 = "8192", count(1, 16_384), Live;
        /// Width times height times frames of a picture made.
        output_pixels_max: u64 = "40000000", count(1, 1_000_000_000), Live;
    }

    /// How pictures are encoded. Changing one of these abandons the derivatives made before.
    output: OutputSettings {
        /// JPEG quality where a request names none.
        jpeg_quality: u8 = "80", count(1, 100), Live;
        /// WebP quality where a request names none.
        webp_quality: u8 = "80", count(1, 100), Live;
        /// AVIF quality where a request names none.
        avif_quality: u8 = "80", count(1, 100), Live;
        /// What a quality counts. "equal": the same number looks equally good in every format, JPEG's scale is the measure. "encoder": each encoder's own number, as other servers have it.
        quality_scale: QualityScale = "equal", Kind::Choice(QualityScale::WORDS), Live;
        /// The SSIMULACRA2 score that q=auto and auto=compress are for: 70 is high quality, 90 cannot be told from the original.
        auto_score: u8 = "75", count(30, 90), Live;
        /// Colour in AVIF. "by-content": halved unless the picture shows it. "halved": 4:2:0. "whole": 4:4:4.
        avif_chroma: AvifChroma = "by-content", Kind::Choice(AvifChroma::WORDS), Live;
        /// libaom's speed: 0 is slow and small.
        avif_speed: u8 = "8", count(0, 9), Live;
        /// libwebp's method: 6 is slow and small.
        webp_method: u8 = "2", count(0, 6), Live;
        /// How hard PNG is compressed; the pixels are the same. "fast": in a few milliseconds. "small": some ten times as long for 2 to 24 % fewer bytes.
        png_effort: PngEffort = "fast", Kind::Choice(PngEffort::WORDS), Live;
        /// How JPEGs are shrunk. "best": the resampler has the last word, the result is as from every pixel. "fast": the decoder shrinks as far as it can, as libvips does.
        scaling: Scaling = "best", Kind::Choice(Scaling::WORDS), Live;
        /// Shrink in linear light: fine bright lines keep their brightness. Every JPEG is then decoded whole, which costs ten to twenty times as much.
        linear_light: bool = "false", Kind::Bool, Live;
        /// The colour space where a request names none by `cs`. "srgb": every screen shows it right. "origin": a wide gamut stays, with its profile.
        color_space: ColorSpace = "srgb", Kind::Choice(ColorSpace::WORDS), Live;
        /// Keep the artist and copyright fields. All other metadata always goes.
        copyright: bool = "false", Kind::Bool, Live;
    }

    /// What a request without parameters gets.
    originals: OriginalsSettings {
        /// "sanitised": the file without GPS and personal metadata, not re-encoded. "as-is": its own bytes. "deny": nothing.
        mode: OriginalsMode = "sanitised", Kind::Choice(OriginalsMode::WORDS), Live;
        /// Serve SVG files, bare and sandboxed.
        svg: bool = "false", Kind::Bool, Live;
    }

    /// What may be asked for without a signature. It bounds how many variants an original can have.
    policy: PolicySettings {
        /// "ladder": sizes snap up to a list. "dims": a few squares, as in the published edge functions.
        kind: PolicyKind = "ladder", Kind::Choice(PolicyKind::WORDS), Live;
        /// Lift the policy for experiments. Only where server.listen is on loopback. `serve --open` sets it.
        open: bool = "false", Kind::Bool, Restart;
        /// The sides that the longer named side snaps up to, ascending; the last one clamps.
        ladder: Vec<u32> = "16, 32, 48, 64, 96, 100, 128, 160, 200, 256, 300, 320, 384, 400, 480, 512, 640, 750, 768, 800, 828, 960, 1024, 1080, 1200, 1280, 1440, 1600, 1920, 2048, 2560, 3840", Kind::Integers { min: 1, max: 16_384 }, Live;
        /// The ratios of width to height that are allowed; within 2 % of a listed one means the listed one.
        ratios: Vec<Ratio> = "1:1, 5:4, 4:5, 4:3, 3:4, 7:5, 5:7, 3:2, 2:3, 16:10, 10:16, 5:3, 3:5, 16:9, 9:16, 40:21, 2:1, 1:2, 21:9, 9:21, 3:1, 1:3, 4:1, 1:4", Kind::Ratios, Live;
        /// The qualities that q snaps up to, ascending; the last one clamps.
        qualities: Vec<u8> = "20, 35, 50, 65, 75, 85, 95", Kind::Integers { min: 1, max: 100 }, Live;
        /// The largest dpr.
        dpr_max: u32 = "5", count(1, 10), Live;
        /// With kind "dims": the sides of the squares, in the order they are tried.
        dims: Vec<u32> = "100, 200, 300, 400", Kind::Integers { min: 1, max: 16_384 }, Live;
        /// With kind "dims": the square where none is near enough; one of policy.dims.
        dims_default: u32 = "200", count(1, 16_384), Live;
        /// With kind "dims": how near a width must be to a square, in percent of it.
        dims_variance_percent: u32 = "20", count(0, 100), Live;
    }

    /// Signed URLs: any size within the limits.
    signing: SigningSettings {
        /// Refuse everything that carries no valid signature, bare originals included.
        required: bool = "false", Kind::Bool, Live;
        /// The keys that verify; the first one signs. Several allow rotation.
        keys: SigningKeys = "", Kind::SigningKeys, Live;
    }

    /// A front for imgproxy's URLs: what imgproxy's clients ask for, served by the same pictures. See docs/operating/imgproxy.md.
    imgproxy: ImgproxySettings {
        /// Below which path its URLs are, with a slash at both ends: "/imgproxy/"; "/" serves nothing but them. Unset: no such front.
        path: Option<String> = "", Kind::Text("/imgproxy/"), Live;
        /// Key and salt in hex, with a colon between, as IMGPROXY_KEY and IMGPROXY_SALT hold them; a comma between pairs. Without
        /// one, URLs are unsigned and the policy holds for them.
        keys: Option<Secret> = "", Kind::Secret, Live;
        /// How many bytes a signature has: IMGPROXY_SIGNATURE_SIZE.
        signature_bytes: usize = "32", count(8, 32), Live;
        /// What stands before every source URL: IMGPROXY_BASE_URL.
        base_url: String = "", Kind::Text("s3://photos/"), Live;
        /// Source URLs that are originals here beside those of the sources themselves: "old/ s3://old-bucket/", or "s3://bucket/"
        /// without a prefix. A folder is local:///.
        sources: Vec<String> = "", Kind::Texts, Live;
    }

    /// Headers of answers.
    http: HttpSettings {
        /// How long a browser may keep a picture. No purge reaches a browser.
        browser_age: Duration = "1m", seconds(0, 365 * DAY_S), Live;
        /// How long a CDN may keep a picture: the ceiling where its invalidation fails.
        shared_age: Duration = "1d", seconds(0, 365 * DAY_S), Live;
        /// How long anyone may keep an error.
        error_age: Duration = "10s", seconds(0, 3600), Live;
        /// How long anyone may keep the WebP that stands in for an AVIF still being made.
        pending_age: Duration = "5s", seconds(0, 3600), Live;
        /// Origins whose scripts may read pictures: "*", or "https://example.com". Empty allows none.
        cors_origins: Vec<String> = "*", Kind::Texts, Live;
        /// How long a browser may keep the answer to a preflight.
        cors_max_age: Duration = "1d", seconds(0, DAY_S), Live;
        /// Which pages may embed the pictures.
        cross_origin_resource_policy: CrossOriginResourcePolicy = "cross-origin", Kind::Choice(CrossOriginResourcePolicy::WORDS), Live;
        /// Origins whose scripts may read timings: "*", or "https://example.com". Empty allows none.
        timing_allow_origin: Vec<String> = "*", Kind::Texts, Live;
        /// Name the cache key in Cache-Status.
        show_cache_key: bool = "false", Kind::Bool, Live;
        /// Say in Afterimage-Chosen which format, quality and scale a picture was made with, and why.
        show_chosen: bool = "false", Kind::Bool, Live;
        /// A picture shown instead of a 404, 415 or 422. Short-lived, and never stored under the key asked for.
        fallback_picture: Option<PathBuf> = "", Kind::Path, Live;
    }

    /// Passing what is no picture through to one HTTP server: any method, status, header and body. Off unless one is named. How it is
    /// asked says [origin]. See docs/operating/passing-through.md.
    pass: PassSettings {
        /// The server, such as "https://www.example.com/". Paths are appended to its own.
        origin: Option<String> = "", Kind::Url, Restart;
        /// The longest time for one exchange, its last byte to the slowest viewer included; instead of origin.total_timeout.
        total_timeout: Duration = "10m", milliseconds(10, 86_400_000), Restart;
        /// The most bytes of a request's body.
        request_bytes_max: Bytes = "16MiB", bytes(0, TIB), Live;
        /// How long a stale answer stands in for a failing origin, where the answer itself does not say.
        stale_if_error: Duration = "0s", seconds(0, 30 * DAY_S), Live;
        /// Tell it who asked, in Forwarded and X-Forwarded-For, -Proto and -Host. See docs/operating/proxies.md.
        tell_viewer: bool = "true", Kind::Bool, Restart;
        /// How long a request waits for another's fetch of the same answer before it fetches for itself.
        collapse_wait: Duration = "5s", milliseconds(0, 600_000), Live;
    }

    /// How changes of the originals are noticed.
    watch: WatchSettings {
        /// "auto": the kernel's notifications where they work. "poll": a walk of the folder at intervals.
        mode: WatchMode = "auto", Kind::Choice(WatchMode::WORDS), Restart;
        /// The pause between two walks.
        poll_interval: Duration = "1s", milliseconds(10, 3_600_000), Restart;
    }

    /// What buckets say of their objects, to `POST /events` on the operator's listener or to a queue. See docs/operating/events.md.
    events: EventsSettings {
        /// The buckets whose objects are originals, as BUCKET or BUCKET/PREFIX/, and where they are mounted the mount's prefix
        /// behind a space: "pictures/originals/", "team-pictures team/".
        buckets: Vec<String> = "", Kind::Texts, Restart;
        /// Where derivatives lie in those buckets, in the same form. What happens there is our own doing and makes no work.
        derivatives: Vec<String> = "", Kind::Texts, Restart;
        /// The bearer token that opens `POST /events` and nothing else. admin.token opens it too.
        token: Option<Secret> = "", Kind::Secret, Restart;
        /// The topics of SNS that may deliver to `POST /events`, by ARN. Their signatures are checked.
        sns_topics: Vec<String> = "", Kind::Texts, Restart;
        /// The URL of a queue of SQS. `serve --events URL` sets it.
        sqs_url: Option<String> = "", Kind::Text("https://sqs.eu-central-1.amazonaws.com/111122223333/pictures"), Restart;
        /// Where the queue's service is, where neither its URL nor its region says so.
        sqs_endpoint: Option<String> = "", Kind::Text("https://vpce-0123.sqs.eu-central-1.vpce.amazonaws.com"), Restart;
        /// The queue's region, where its URL does not name it.
        sqs_region: Option<String> = "", Kind::Text("eu-central-1"), Restart;
        /// The profile whose credentials are used. Unset is the usual chain: environment, files, the machine's role.
        sqs_profile: Option<String> = "", Kind::Text("pictures"), Restart;
    }

    /// How what was made of a lost original is removed.
    purge: PurgeSettings {
        /// The longest a picture may take from the first question to the source until it is stored. Later it is abandoned.
        fill_timeout: Duration = "1m", milliseconds(1000, 3_600_000), Restart;
        /// Scans hold deletions for a person when more than this share of the originals, in percent, …
        mass_loss_percent: u32 = "5", count(0, 100), Restart;
        /// … and more than this number of originals are gone or changed.
        mass_loss_count: u64 = "100", count(0, 1_000_000_000), Restart;
        /// How often derivatives are compared with originals. 0 is never.
        reconcile_interval: Duration = "1d", seconds(0, 365 * DAY_S), Restart;
        /// Requests (one per original, one per thousand derivatives) that one comparison may cost, from 1000; the next one goes on
        /// where it stopped. 0 does not bound them.
        reconcile_requests_max: u64 = "0", count(0, 1_000_000_000), Restart;
    }

    /// The record of purges.
    receipts: ReceiptsSettings {
        /// Receipts kept; beyond it the oldest go.
        kept_max: usize = "10000", count(1, 10_000_000), Restart;
    }

    /// The functions that purge on AWS. See docs/operating/lambda.md.
    lambda: LambdaSettings {
        /// The URL of the queue of SQS through which they are woken for what is to be done later: second sweeps, and asking CDNs whether
        /// they are done. `afterimage-purge` has to read it; no server does. Where it is set for `afterimage-render`, an original that a
        /// request finds gone or changed is said there too.
        later_queue: Option<String> = "", Kind::Text("https://sqs.eu-central-1.amazonaws.com/111122223333/later"), Restart;
    }

    /// Log lines, on standard error.
    log: LogSettings {
        /// "text" for people, "json" for machines.
        format: LogFormat = "text", Kind::Choice(LogFormat::WORDS), Restart;
        /// The least severe level that is written.
        level: LogLevel = "info", Kind::Choice(LogLevel::WORDS), Restart;
        /// A line for each answer to a viewer: "text" for people, "json" for machines. Where lines come faster than they can be written, some are left out, and the log says how many.
        access: AccessForm = "off", Kind::Choice(AccessForm::WORDS), Restart;
        /// How much of a viewer's address such a line has: its "network" (24 bits of IPv4, 48 of IPv6), "full", or "none".
        client_address: ClientAddress = "network", Kind::Choice(ClientAddress::WORDS), Restart;
    }

    tables {
        /// Named parameters: thumb = "w=200&h=200&fit=crop" makes ?p=thumb, without a signature and beyond the ladder.
        presets: Presets = Kind::Presets, Live;
        /// What holds for the paths of one pattern, in order; the first that fits holds. `path` is the pattern (`*`, `?`). `serves` is
        /// "either" (pictures by their ending, else the origin), "pictures" or "origin". `ttl_min`, `ttl_default` and `ttl_max` bound how
        /// long answers are kept; a `ttl_min` above 0 overrules no-store. `query` and `cookies` ("all", "none" or names, or
        /// `query_except`, `cookies_except`) and `headers` say what is in the key; query parameters that are not in it do not reach the
        /// origin. `errors` ("404:10s") keeps errors at least so long. `rewrite = "dims"` looks pictures up as the published edge functions
        /// do.
        behaviours: Behaviours = Kind::Behaviours, Live;
        /// Caches in front of this one that are told to forget. `kind` is "cloudfront", "edge", "cloudflare", "varnish" or "webhook";
        /// `name` is what receipts call it. CloudFront and edges have `distribution`, `endpoint`, `region`, `profile`, `access_key`
        /// with `secret` or `secret_file`, `by` ("auto", "paths" or "wildcards"), and `over_purge` (how many folders up a wildcard may
        /// be widened when more than 15 wait). Cloudflare has `zone`, `secret` (its token), `plan` and `hosts`; Varnish and webhooks
        /// `url` and `secret`, Varnish also `fetch`, its longest fetch. `window` is how long items are collected. See docs/operating/cdn.md.
        cdn: OuterCaches = Kind::OuterCaches, Restart;
    }
}
