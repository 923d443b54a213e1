//! The commands that need no state.

use std::io::{Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use afterimage_identity::OriginalKey;
use afterimage_imaging as imaging;
use afterimage_rewrite as rewrite;
use afterimage_variant as variant;
use afterimage_variant::{Grant, Wanted};
use clap::CommandFactory;

use crate::cli::{Cli, CloudfrontFunction, Common, Shell};
use crate::commands::{absolute, host_of, target_of};
use crate::exit::Exit;
use crate::instance::{self, list, settings};

fn failed(error: impl std::fmt::Display) -> Exit {
    Exit::Failed(error.to_string())
}

pub fn render(common: &Common, input: &Path, output: &Path, parameters: &[String]) -> Result<(), Exit> {
    let settings = settings(common, Vec::new())?;
    let bytes = std::fs::read(input).map_err(|error| failed(format!("{}: {error}", input.display())))?;
    let query = parameters.join("&");
    let target = if query.is_empty() { "/original".to_owned() } else { format!("/original?{query}") };
    // Whoever has the file and this program may have any size of it.
    let resolution = variant::resolve(&settings.rules(), &target, None, Grant::Open)
        .map_err(|refusal| Exit::Usage(refusal.to_string()))?;
    let imaging_settings = settings.imaging();
    let made = match &resolution.wanted {
        Wanted::Original => imaging::strip(&bytes, &imaging_settings),
        Wanted::Variant(variant) => imaging::render(&bytes, variant, &imaging_settings, &imaging::Never),
    }
    .map_err(failed)?;
    for ignored in &resolution.ignored {
        eprintln!("ignored: {ignored}");
    }
    if output == Path::new("-") {
        std::io::stdout().write_all(&made.bytes).map_err(failed)
    } else {
        std::fs::write(output, &made.bytes).map_err(|error| failed(format!("{}: {error}", output.display())))?;
        eprintln!(
            "{}: {} {}x{}, {} bytes",
            output.display(),
            made.media_type,
            made.width,
            made.height,
            made.bytes.len()
        );
        if !made.chosen.is_empty() {
            eprintln!("chosen: {}", made.chosen);
        }
        Ok(())
    }
}

pub fn sign(common: &Common, url: &str, key: Option<&str>, expires_in_s: Option<u64>) -> Result<(), Exit> {
    let settings = settings(common, Vec::new())?;
    let keys = settings.rules().keys;
    let key = match key {
        Some(name) => keys.iter().find(|key| key.name == name),
        None => keys.first(),
    };
    let key =
        key.ok_or_else(|| Exit::Configuration("there is no such signing key; add [[signing.keys]]".to_owned()))?;
    let (origin, mut target) = match absolute(url) {
        Some((scheme, rest)) => {
            let host = rest.split(['/', '?']).next().unwrap_or_default();
            (format!("{scheme}://{host}"), target_of(url))
        }
        None => (String::new(), target_of(url)),
    };
    if let Some(seconds) = expires_in_s {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(failed)?.as_secs();
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(&format!("expires={}", now.saturating_add(seconds)));
    }
    let signed = variant::sign(key, &target);
    // What is signed here has to be accepted there: unknown names are refused in signed URLs.
    variant::resolve(&settings.rules(), &signed, None, Grant::Signed)
        .map_err(|refusal| Exit::Usage(refusal.to_string()))?;
    println!("{origin}{signed}");
    Ok(())
}

pub fn keygen() -> Result<(), Exit> {
    let mut secret = [0u8; 32];
    std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut secret)).map_err(failed)?;
    println!("{}", secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    Ok(())
}

pub fn cloudfront_function(common: &Common, options: &CloudfrontFunction) -> Result<(), Exit> {
    let settings = settings(common, Vec::new())?;
    let origin = options.cheap.then_some(options.originals_origin.as_str());
    let at_the_edge = settings.at_the_edge(origin).map_err(|mistakes| Exit::Configuration(list(&mistakes)))?;
    let made = if options.readable { rewrite::readable } else { rewrite::generate };
    let code = made(&at_the_edge.policy).map_err(|obstacles| {
        Exit::Configuration(obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    for note in &at_the_edge.notes {
        eprintln!("note: {note}");
    }
    match &options.output {
        Some(path) => std::fs::write(path, &code).map_err(|error| failed(format!("{}: {error}", path.display())))?,
        None => std::io::stdout().write_all(code.as_bytes()).map_err(failed)?,
    }
    eprintln!("{} of {} bytes", code.len(), rewrite::FUNCTION_BYTES_MAX);
    Ok(())
}

pub fn srcset(common: &Common, key: &str, base: &str, host: Option<&str>, sizes: &str) -> Result<(), Exit> {
    let settings = settings(common, Vec::new())?;
    let hosts = settings.hosts().map_err(|mistakes| Exit::Configuration(list(&mistakes)))?;
    let base = on_host(base, host)?;
    let key = OriginalKey::new(key).map_err(|error| Exit::Usage(error.to_string()))?;
    let name = host_of(&base).and_then(variant::host_name);
    let whole = match name.as_deref().and_then(|name| hosts.space(name)) {
        Some(space) => space.key(&key).map_err(|refusal| Exit::Usage(refusal.to_string()))?,
        None => match hosts.host_of(key.as_str()) {
            Some((host, there)) => {
                let words = format!("{key} is served on {host} alone; write: srcset {there} --host {host}");
                return Err(Exit::Usage(words));
            }
            None => key.clone(),
        },
    };
    let source = file(&settings, &whole).and_then(|path| {
        let bytes = std::fs::read(path).ok()?;
        Some(imaging::probe(&bytes, &settings.imaging().limits).ok()?.upright)
    });
    println!("{}", variant::srcset(&settings.rules(), &base, &key, source, sizes, ""));
    Ok(())
}

/// The file of an original, where its source is a folder.
fn file(settings: &afterimage_setup::Settings, key: &OriginalKey) -> Option<std::path::PathBuf> {
    let placed = settings.placed();
    let holding = placed.iter().filter_map(|placed| Some((placed, key.as_str().strip_prefix(&placed.prefix)?)));
    let (placed, key) = holding.max_by_key(|(placed, _)| placed.prefix.len())?;
    Some(placed.source.directory()?.join(key))
}

/// `base` with another host, whatever its scheme and port are.
fn on_host(base: &str, host: Option<&str>) -> Result<String, Exit> {
    let Some(host) = host else { return Ok(base.to_owned()) };
    let wrong = || Exit::Usage(format!("--host {host}: write a host's name alone, such as img.example.com"));
    let host = variant::host_name(host).filter(|_| !host.contains(':') || host.starts_with('[')).ok_or_else(wrong)?;
    let (scheme, rest) = base.split_once("://").unwrap_or(("http", base));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    Ok(format!("{scheme}://{host}{}/{path}", port.map(|port| format!(":{port}")).unwrap_or_default()))
}

pub fn check_config(common: &Common, defaults: bool) -> Result<(), Exit> {
    if defaults {
        print!("{}", afterimage_setup::example_toml());
        return Ok(());
    }
    let settings = settings(common, Vec::new())?;
    settings.edge(&|path| std::fs::read(path)).map_err(|mistakes| Exit::Configuration(list(&mistakes)))?;
    let mistakes = crate::tls::mistakes(&settings);
    if !mistakes.is_empty() {
        return Err(Exit::Configuration(list(&mistakes)));
    }
    settings.outer_caches().map_err(|mistakes| Exit::Configuration(list(&mistakes)))?;
    if settings.root_source().is_some() {
        let (source, locations) = instance::places(&settings)?;
        check_overlap(&settings, &source, &locations)?;
    }
    println!("the configuration is right; it promises:");
    print!("{}", afterimage_setup::promise(&settings, instance::shape(&settings)));
    if settings.isolation(crate::worker::command()).is_some() {
        println!("on this machine, worker processes are kept from: {}", crate::worker::try_out().map_err(failed)?);
    }
    Ok(())
}

/// Derivatives inside the originals, or the other way round, and a disk tier inside any of them are refused before anything
/// is opened.
pub fn check_overlap(
    settings: &afterimage_setup::Settings,
    source: &afterimage_setup::Source,
    locations: &afterimage_setup::Locations,
) -> Result<(), Exit> {
    // They need not be there yet: the part that is there is made canonical.
    let canonical = |path: &Path| {
        afterimage_setup::canonical_path(path).map_err(|error| failed(format!("{}: {error}", path.display())))
    };
    let derivatives = canonical(settings.derivatives.directory.as_deref().unwrap_or(&locations.derivatives))?;
    let disk = settings.cache.disk_directory.as_deref().map(canonical).transpose()?;
    let disk_overlap =
        |what, other: &Path| disk.as_ref().and_then(|disk| afterimage_setup::disk_overlap(disk, what, other));
    let mounted = settings.mounts().iter().map(|mount| mount.source.clone());
    let mut found = Vec::new();
    for source in std::iter::once(source.clone()).chain(mounted) {
        let Some(directory) = source.directory() else { continue };
        let originals = instance::canonical(directory)?;
        found.extend(afterimage_setup::overlap(&originals, &derivatives));
        found.extend(disk_overlap("originals", &originals));
    }
    found.extend(disk_overlap("derivatives", &derivatives));
    found.extend(disk_overlap("state", &canonical(&locations.state)?));
    if found.is_empty() { Ok(()) } else { Err(Exit::Configuration(list(&found))) }
}

pub fn completions(shell: Shell) -> Result<(), Exit> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Elvish => clap_complete::Shell::Elvish,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Powershell => clap_complete::Shell::PowerShell,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    clap_complete::generate(shell, &mut Cli::command(), "afterimage", &mut std::io::stdout());
    Ok(())
}
