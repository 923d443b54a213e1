//! The commands that need no state.

use std::io::{Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use afterimage_identity::OriginalKey;
use afterimage_imaging as imaging;
use afterimage_variant as variant;
use afterimage_variant::{Grant, Wanted};
use clap::CommandFactory;

use crate::cli::{Cli, Common, Shell};
use crate::commands::target_of;
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
    let (origin, mut target) = match url.split_once("://") {
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

pub fn srcset(common: &Common, key: &str, base: &str, sizes: &str) -> Result<(), Exit> {
    let settings = settings(common, Vec::new())?;
    let key = OriginalKey::new(key).map_err(|error| Exit::Usage(error.to_string()))?;
    let source = settings.source.directory.as_ref().and_then(|directory| {
        let bytes = std::fs::read(directory.join(key.as_str())).ok()?;
        Some(imaging::probe(&bytes, &settings.imaging().limits).ok()?.upright)
    });
    println!("{}", variant::srcset(&settings.rules(), base, &key, source, sizes, ""));
    Ok(())
}

pub fn check_config(common: &Common, defaults: bool) -> Result<(), Exit> {
    if defaults {
        print!("{}", afterimage_setup::example_toml());
        return Ok(());
    }
    let settings = settings(common, Vec::new())?;
    settings.edge(&|path| std::fs::read(path)).map_err(|mistakes| Exit::Configuration(list(&mistakes)))?;
    settings.outer_caches().map_err(|mistakes| Exit::Configuration(list(&mistakes)))?;
    if settings.root_source().is_some() {
        let (source, locations) = instance::places(&settings)?;
        check_overlap(&settings, &source, &locations)?;
    }
    println!("the configuration is right; it promises:");
    print!("{}", afterimage_setup::promise(&settings, instance::shape(&settings)));
    Ok(())
}

/// Derivatives inside the originals, or the other way round, are refused before anything is opened.
pub fn check_overlap(
    settings: &afterimage_setup::Settings,
    source: &afterimage_setup::Source,
    locations: &afterimage_setup::Locations,
) -> Result<(), Exit> {
    let derivatives = settings.derivatives.directory.clone().unwrap_or_else(|| locations.derivatives.clone());
    // It need not be there yet: the part that is there is made canonical.
    let mut missing = Vec::new();
    let mut there = std::path::absolute(&derivatives).map_err(failed)?;
    let canonical = loop {
        match there.canonicalize() {
            Ok(canonical) => break canonical,
            Err(_) => match (there.file_name().map(ToOwned::to_owned), there.pop()) {
                (Some(name), true) => missing.push(name),
                _ => break there,
            },
        }
    };
    let canonical = missing.into_iter().rev().fold(canonical, |path, name| path.join(name));
    let mounted = settings.mounts().into_iter().map(|mount| mount.source);
    let mut found = Vec::new();
    for source in std::iter::once(source.clone()).chain(mounted) {
        let Some(directory) = source.directory() else { continue };
        found.extend(afterimage_setup::overlap(&instance::canonical(directory)?, &canonical));
    }
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
