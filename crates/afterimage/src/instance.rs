//! Which server, or which state, a command means.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afterimage_control::{AccessKey, Control, Guard, InvalidationConfig, Invalidations, Limits, Meters, router};
use afterimage_edge::Door;
use afterimage_setup::{Locations, MachineClock, Settings, Shape, Source, Sources, Wired, locations, wire};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cli::Common;
use crate::client::Client;
use crate::exit::Exit;

/// The environment as text; what is not UTF-8 is no setting of ours.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads all settings; flags that stand for settings come in as overrides.
pub fn settings(common: &Common, mut flags: Vec<(String, String)>) -> Result<Settings, Exit> {
    let file = match &common.config {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Exit::Configuration(format!("{}: {error}", path.display())))?;
            Some((path.clone(), text))
        }
        None => None,
    };
    let mut overrides = Vec::new();
    for pair in &common.set {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Exit::Usage(format!("--set {pair}: write NAME=VALUE, such as --set render.threads=4")))?;
        overrides.push((name.trim().to_owned(), value.to_owned()));
    }
    overrides.append(&mut flags);
    if let Some(source) = &common.source {
        overrides.extend(named_source(source));
    }
    let read_secret = |path: &Path| std::fs::read_to_string(path);
    Settings::load(&Sources { file, environment: environment(), overrides, read_secret: &read_secret })
        .map_err(|mistakes| Exit::Configuration(list(&mistakes)))
}

/// What is named on the command line stands for the one setting, and takes the place of the other.
pub fn named_source(text: &str) -> [(String, String); 2] {
    let setting = Source::named(text).setting();
    let other = if setting.0 == "source.url" { "source.directory" } else { "source.url" };
    [(other.to_owned(), String::new()), setting]
}

/// Mistakes, one a line.
pub fn list(mistakes: &[afterimage_setup::Mistake]) -> String {
    let lines: Vec<_> = mistakes.iter().map(|mistake| format!("  {mistake}")).collect();
    format!("the configuration has {} mistake(s):\n{}", mistakes.len(), lines.join("\n"))
}

/// The source of originals (a directory without links), and where its state lies.
pub fn places(settings: &Settings) -> Result<(Source, Locations), Exit> {
    let source = match settings.root_source() {
        None => {
            let words = "which directory? Name it, or set source.directory or source.url in the configuration";
            return Err(Exit::Usage(words.to_owned()));
        }
        Some(Source::Directory(directory)) => Source::Directory(canonical(&directory)?),
        Some(url) => url,
    };
    let locations = locations(&source, &environment()).map_err(Exit::Configuration)?;
    Ok((source, locations))
}

/// A folder that is there, without links.
pub fn canonical(directory: &Path) -> Result<PathBuf, Exit> {
    let found = afterimage_setup::canonical_path(directory)
        .map_err(|error| Exit::Usage(format!("{}: {error}", directory.display())))?;
    if found.is_dir() { Ok(found) } else { Err(Exit::Usage(format!("{} is not a directory", found.display()))) }
}

/// What a command speaks to.
pub struct Instance {
    pub client: Client,
    here: Option<Here>,
}

/// State that this process opened because nobody else had it.
struct Here {
    stop: oneshot::Sender<()>,
    purger: JoinHandle<()>,
    wired: Arc<Wired>,
}

impl Instance {
    /// The server of the source that was named, or the only one that runs; else the state itself, opened here.
    pub async fn find(common: &Common) -> Result<Self, Exit> {
        let settings = settings(common, Vec::new())?;
        if settings.root_source().is_none() {
            let socket = only_socket().await?;
            return Ok(Self { client: Client::Socket(socket), here: None });
        }
        let (source, locations) = places(&settings)?;
        if Client::is_alive(&locations.socket).await {
            return Ok(Self { client: Client::Socket(locations.socket), here: None });
        }
        Self::open(&settings, &source, &locations)
    }

    fn open(settings: &Settings, source: &Source, locations: &Locations) -> Result<Self, Exit> {
        let wiring = settings
            .wiring(source, locations, &|path| std::fs::read(path))
            .map_err(|mistakes| Exit::Configuration(list(&mistakes)))?;
        let wired =
            wire(&wiring, Arc::new(MachineClock), "a command").map_err(|error| Exit::State(error.to_string()))?;
        let wired = Arc::new(wired);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = wired.purger.clone().run(async move {
            let _ = stopped.await;
        });
        let purger = tokio::spawn(running);
        let control = control(settings, &wired, Door::Public, String::new(), Meters::default());
        let client = Client::Here(router(control, Guard::socket()));
        Ok(Self { client, here: Some(Here { stop, purger, wired }) })
    }

    /// Lets what was begun here come to its end, or into the journal.
    pub async fn close(self) {
        if let Some(Here { stop, purger, wired }) = self.here {
            let _ = stop.send(());
            let _ = purger.await;
            let _ = tokio::task::spawn_blocking(move || wired.edge.cache().close()).await;
        }
    }
}

/// What the routes speak to.
pub fn control(settings: &Settings, wired: &Wired, door: Door, base: String, meters: Meters) -> Arc<Control> {
    let window = humantime::format_duration(settings.longest_window());
    Arc::new(Control {
        edge: wired.edge.clone(),
        purger: wired.purger.clone(),
        originals: wired.originals.clone(),
        absences: Box::new({
            let absences = wired.absences.clone();
            move || absences.known()
        }),
        events: wired.events.as_ref().map(|events| events.webhook.clone()),
        invalidations: invalidations(settings, wired),
        door,
        base,
        promise: format!("nothing is served longer than {window} after its original went"),
        ladder: settings.policy.ladder.clone(),
        qualities: settings.policy.qualities.clone(),
        meters,
    })
}

fn invalidations(settings: &Settings, wired: &Wired) -> Arc<Invalidations> {
    let (admin, invalidation) = (&settings.admin, &settings.invalidation);
    let key =
        |key: &afterimage_setup::AccessKey| AccessKey { id: key.id.clone(), secret: key.secret.expose().to_owned() };
    let config = InvalidationConfig {
        distribution_id: invalidation.distribution_id.to_string(),
        access_keys: admin.access_keys.0.iter().map(key).collect(),
        clock_skew: admin.clock_skew,
        limits: Limits {
            paths_max: invalidation.paths_max,
            wildcards_max: invalidation.wildcards_max,
            kept_max: invalidation.kept_max,
        },
        purge_method: invalidation.purge_method,
    };
    Invalidations::new(config, wired.edge.clone(), wired.fences.clone(), Arc::new(MachineClock))
}

/// The shape the promise is printed for.
pub fn shape(settings: &Settings) -> Shape {
    Shape { variants_max: settings.rules().variants_max(), open: settings.policy.open }
}

/// The socket of the only server that runs.
async fn only_socket() -> Result<PathBuf, Exit> {
    let mut alive = Vec::new();
    for candidate in sockets() {
        if Client::is_alive(&candidate).await {
            alive.push(candidate);
        }
    }
    match alive.len() {
        1 => Ok(alive.remove(0)),
        0 => Err(Exit::State("no server runs; name the directory of originals with --source DIR".to_owned())),
        several => Err(Exit::State(format!("{several} servers run; say which with --source DIR"))),
    }
}

fn sockets() -> Vec<PathBuf> {
    let environment = environment();
    let entries = |directory: Option<PathBuf>| {
        directory
            .and_then(|directory| std::fs::read_dir(directory).ok())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let home = environment.get("HOME").map(PathBuf::from);
    let state =
        environment.get("XDG_STATE_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".local/state")));
    let runtime = entries(environment.get("XDG_RUNTIME_DIR").map(PathBuf::from)).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("afterimage-") && name.ends_with(".sock")
    });
    let beside = entries(state.map(|state| state.join("afterimage"))).map(|path| path.join("socket"));
    runtime.chain(beside).collect()
}
