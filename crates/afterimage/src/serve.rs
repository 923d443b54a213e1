//! `afterimage serve`: settings in, listeners up, a greeting that says what is promised, and a drain at the end.

use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use afterimage_control::{Guard, router};
use afterimage_edge::{Door, Edge, ForwardedHost, Reply, Viewer};
use afterimage_events::{Mode, Watch};
use afterimage_identity::OriginalKey;
use afterimage_origin::Body as Passed;
use afterimage_setup::{Locations, LogFormat, MachineClock, Settings, Source, Trust, Wired, promise, watch, wire};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch as watching;
use tower::ServiceExt;

use crate::access_log::AccessLog;
use crate::cli::{Common, Serve};
use crate::entrances::Entrances;
use crate::exit::Exit;
use crate::instance::{self, control, list, places, settings, shape};
use crate::listen::{self, Answer, Bounds};
use crate::local::check_overlap;
use crate::memory;
use crate::worker;

/// Pictures.
#[derive(Clone)]
struct Pictures {
    edge: Arc<Edge>,
    door: Door,
    /// How long what is passed from an origin may take.
    pass_timeout: Duration,
    /// Whether that origin is told who asks.
    tells_viewer: bool,
}

impl Answer for Pictures {
    type Body = Reply;

    async fn answer(&self, viewer: Viewer, mut request: Request<Incoming>) -> Response<Reply> {
        // Only trusted peers can have said it: see `forwarded`.
        if let Some(host) = &viewer.host {
            request.extensions_mut().insert(ForwardedHost(host.to_string()));
        }
        if self.tells_viewer {
            request.extensions_mut().insert(viewer);
        }
        self.edge.answer(self.door, request.map(Passed::wrap)).await
    }

    fn longer(&self, body: &Reply) -> Option<Duration> {
        (!body.is_whole()).then_some(self.pass_timeout)
    }
}

/// The operator's routes.
#[derive(Clone)]
struct Operator(Router);

impl Answer for Operator {
    type Body = Full<Bytes>;

    async fn answer(&self, _: Viewer, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let response = match self.0.clone().oneshot(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        // Routes answer from memory: their bodies do not fail.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Response::from_parts(parts, Full::new(body))
    }
}

/// The flags, as the settings they stand for.
fn flags(options: &Serve) -> Vec<(String, String)> {
    let named = options.source_named.as_deref().map(instance::named_source);
    let pairs = [
        ("server.listen", options.listen.map(|address| address.to_string())),
        ("admin.listen", options.admin.map(|address| address.to_string())),
        ("derivatives.directory", options.derivatives.as_ref().map(|path| path.display().to_string())),
        ("events.sqs_url", options.events.clone()),
        ("policy.open", options.open.then(|| "true".to_owned())),
        ("http.show_cache_key", options.open.then(|| "true".to_owned())),
        ("http.show_chosen", options.open.then(|| "true".to_owned())),
    ];
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    named.into_iter().flatten().chain(pairs).collect()
}

pub fn serve(common: &Common, options: &Serve) -> Result<(), Exit> {
    let settings = settings(common, flags(options))?;
    log(&settings);
    let (source, locations) = places(&settings)?;
    check_overlap(&settings, &source, &locations)?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if settings.server.workers > 0 {
        builder.worker_threads(settings.server.workers);
    }
    let runtime = builder.enable_all().build().map_err(|error| Exit::Failed(error.to_string()))?;
    let served = runtime.block_on(run(common, options, settings, &source, &locations));
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn run(
    common: &Common,
    options: &Serve,
    settings: Settings,
    source: &Source,
    locations: &Locations,
) -> Result<(), Exit> {
    let (entrances, signals) = (Entrances::open(&settings)?, Signals::catch()?);
    let mut wiring = settings
        .wiring(source, locations, &|path| std::fs::read(path))
        .map_err(|mistakes| Exit::Configuration(list(&mistakes)))?;
    wiring.isolation = settings.isolation(worker::command());
    let about = format!("serving {source} on {}", settings.server.listen);
    let wired = wire(&wiring, Arc::new(MachineClock), &about).map_err(|error| Exit::State(error.to_string()))?;
    // The watch is alive before the first request: what happens earlier is found by the scan at start.
    let watches = watch(&wiring, &wired.purger).map_err(|error| Exit::Failed(error.to_string()))?;
    let pictures = listen::bind(settings.server.listen, "listen").await.map_err(Exit::Failed)?;
    let admin = listen::bind(settings.admin.listen, "admin").await.map_err(Exit::Failed)?;
    let socket =
        socket(&locations.socket).map_err(|error| Exit::State(format!("{}: {error}", locations.socket.display())))?;
    let address =
        |listener: &tokio::net::TcpListener| listener.local_addr().map_err(|error| Exit::Failed(error.to_string()));
    let (pictures_at, admin_at) = (address(&pictures)?, address(&admin)?);

    let (stop, stopped) = watching::channel(false);
    let bounds = Bounds {
        connections_max: settings.server.connections_max,
        header_timeout: settings.server.header_timeout,
        request_timeout: settings.server.request_timeout,
        drain_timeout: settings.server.drain_timeout,
    };
    let door = match settings.server.trust {
        Trust::Canonical => Door::Trusted,
        Trust::Public if settings.policy.open => Door::Open,
        Trust::Public => Door::Public,
    };
    let pictures_url = format!("{}://{pictures_at}", entrances.pictures.scheme());
    let admin_url = format!("{}://{admin_at}", entrances.operator.scheme());
    let control = control(&settings, &wired, door, pictures_url.clone(), entrances.meters(&settings, &wired));
    let token = settings.admin.token.as_ref().map(|token| token.expose());
    let guard = Guard::listener(token, settings.admin.hosts.clone());
    let guard = guard.with_events_token(settings.events.token.as_ref().map(|token| token.expose()));
    let guarded = router(control.clone(), guard);
    let mut ended = stopped.clone();
    #[cfg(feature = "sqs")]
    let reading = wired.events.as_ref().and_then(|events| events.queue.clone()).map(|queue| {
        let mut ended = stopped.clone();
        tokio::spawn(queue.run(async move {
            let _ = ended.wait_for(|stop| *stop).await;
        }))
    });
    let purging = tokio::spawn(wired.purger.clone().run(async move {
        let _ = ended.wait_for(|stop| *stop).await;
        // What is being read from the queue is taken first.
        #[cfg(feature = "sqs")]
        if let Some(reading) = reading {
            let _ = reading.await;
        }
    }));
    let absences = tokio::spawn(wired.absences.clone().watch());
    let resting = tokio::spawn(memory::give_back_at_rest());
    let (access, lines) = AccessLog::start(settings.log.access, settings.log.client_address)
        .map_err(|error| Exit::Failed(error.to_string()))?;
    let answer = Pictures {
        edge: wired.edge.clone(),
        door,
        pass_timeout: settings.pass.total_timeout,
        tells_viewer: settings.pass.origin.is_some() && settings.pass.tell_viewer,
    };
    let operator = (Operator(guarded), Operator(router(control, Guard::socket())));
    let at = entrances.clone();
    let serving = [
        tokio::spawn(listen::serve_tcp(pictures, at.pictures, answer, bounds, access, stopped.clone())),
        tokio::spawn(listen::serve_tcp(admin, at.operator, operator.0, bounds, AccessLog::off(), stopped.clone())),
        tokio::spawn(listen::serve_unix(socket, at.socket, operator.1, bounds, stopped)),
    ];
    let looking = entrances.watch();
    greet(&settings, &wired, &watches, source, &pictures_url, &admin_url).await;

    until_told(common, options, (&wired, &entrances), signals, settings).await;
    tracing::info!("draining");
    drop((watches, looking));
    absences.abort();
    resting.abort();
    let _ = stop.send(true);
    for listener in serving {
        let _ = listener.await;
    }
    let _ = purging.await;
    // What waits to be written is, and the tier outlives a boot.
    let cache = wired.edge.cache().clone();
    let _ = tokio::task::spawn_blocking(move || cache.close()).await;
    if let Some(lines) = lines {
        lines.finish(Duration::from_secs(1));
    }
    let _ = std::fs::remove_file(&locations.socket);
    Ok(())
}

/// What may be said to this process. Caught before anybody is told that it is ready: a signal that came earlier would end it
/// on the spot.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Exit> {
        let catch = |kind| signal(kind).map_err(|error| Exit::Failed(error.to_string()));
        Ok(Self {
            term: catch(SignalKind::terminate())?,
            int: catch(SignalKind::interrupt())?,
            hup: catch(SignalKind::hangup())?,
        })
    }
}

/// Waits for TERM or INT; a HUP reads the configuration again.
async fn until_told(
    common: &Common,
    options: &Serve,
    (wired, entrances): (&Wired, &Entrances),
    mut signals: Signals,
    mut settings: Settings,
) {
    loop {
        tokio::select! {
            _ = signals.term.recv() => return,
            _ = signals.int.recv() => return,
            _ = signals.hup.recv() => {
                entrances.look();
                match reload(common, options, wired, &settings) {
                    Ok(new) => settings = new,
                    Err(error) => tracing::error!("the configuration was not reloaded: {error}"),
                }
            }
        }
    }
}

/// Nothing changes unless everything is right.
fn reload(common: &Common, options: &Serve, wired: &Wired, old: &Settings) -> Result<Settings, Exit> {
    let new = instance::settings(common, flags(options))?;
    let edge = new.edge(&|path| std::fs::read(path)).map_err(|mistakes| Exit::Configuration(list(&mistakes)))?;
    let (restart, live) = Settings::differences(old, &new);
    wired.edge.reload(edge);
    tracing::info!(?live, "the configuration was reloaded");
    if !restart.is_empty() {
        tracing::warn!(?restart, "these take effect at the next start only");
    }
    Ok(new)
}

/// A socket that only its owner can reach. One that a dead process left behind is replaced: the lock is ours already.
fn socket(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn greet(settings: &Settings, wired: &Wired, watches: &[Watch], source: &Source, pictures: &str, admin: &str) {
    let mut text = format!("afterimage {} serves {source}\n", env!("CARGO_PKG_VERSION"));
    for mount in settings.mounts() {
        let hosts = if mount.hosts.is_empty() { String::new() } else { format!(" for {}", mount.hosts.join(", ")) };
        text.push_str(&format!("mounted      {} from {}{hosts}\n", mount.prefix, mount.source));
    }
    text.push_str(&format!("pictures     {pictures}\nindex page   {admin}/\n"));
    let mut watched: Vec<String> = watches
        .iter()
        .map(|watch| watch.mode())
        .map(|mode| match mode {
            Mode::Inotify => "changes are noticed by the kernel's notifications".to_owned(),
            Mode::Polling { why } => format!("changes are noticed by looking again and again: {why}"),
        })
        .collect();
    if settings.asks_over_http() && !settings.hears_buckets() {
        watched.push(
            "servers and buckets tell nothing: changes there are noticed when it is asked (source.window)".to_owned(),
        );
    }
    watched.dedup();
    let watched = watched.join("\n             ");
    text.push_str(&format!("watch        {watched}\npromise\n{}", promise(settings, shape(settings))));
    if let Some(example) = example(settings, wired, pictures).await {
        text.push_str(&format!("copy this\n{example}\n"));
    }
    text.push_str("ready\n");
    // A closed standard output is no reason not to serve.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A copyable `<img srcset=…>` for the first real picture.
async fn example(settings: &Settings, wired: &Wired, base: &str) -> Option<String> {
    let page = wired.originals.list("", None, 50).await.ok()?;
    for listed in page.entries {
        let Ok(object) = wired.originals.get(&listed.key, settings.limits.source_bytes_max.get()).await else {
            continue;
        };
        let Ok(probe) = afterimage_imaging::probe(&object.body, &settings.imaging().limits) else { continue };
        // What other hosts have to themselves is not served at this address.
        if wired.edge.host_of(&listed.key).is_some() {
            continue;
        }
        let key = OriginalKey::new(&listed.key).ok()?;
        return Some(afterimage_variant::srcset(&settings.rules(), base, &key, Some(probe.upright), "100vw", ""));
    }
    None
}

fn log(settings: &Settings) {
    let filter = tracing_subscriber::EnvFilter::new(settings.log.level.as_str());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log.format {
        // Colours are for people: in a file they are noise.
        LogFormat::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().init(),
    }
}
