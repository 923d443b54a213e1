//! The settings of a process, and the log that they ask for.

use std::io::IsTerminal as _;

use afterimage_setup::{LogFormat, Mistake, Settings};

/// Reads the settings from the environment and the file named there, and begins the log.
///
/// # Errors
/// Every mistake, in words.
pub fn settings() -> Result<Settings, String> {
    // What is not UTF-8 is no setting of ours.
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = Settings::of_function(environment.collect()).map_err(|mistakes| list(&mistakes))?;
    let filter = tracing_subscriber::EnvFilter::new(settings.log.level.as_str());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log.format {
        LogFormat::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(settings)
}

/// Mistakes, one a line.
pub fn list(mistakes: &[Mistake]) -> String {
    let lines: Vec<_> = mistakes.iter().map(|mistake| format!("  {mistake}")).collect();
    format!("the configuration has {} mistake(s):\n{}", mistakes.len(), lines.join("\n"))
}
