//! `afterimage-purge`: the bootstrap of the function that hears what buckets say.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use afterimage_lambda_purge::{Function, MachineClock, Pace};
use afterimage_setup::{LogFormat, Mistake, Settings, Writing};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

/// sysexits.h: the configuration is wrong.
const EX_CONFIG: u8 = 78;

fn log(settings: &Settings) {
    let filter = tracing_subscriber::EnvFilter::new(settings.log.level.as_str());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log.format {
        LogFormat::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().init(),
    }
}

fn refuse(mistakes: &[Mistake]) -> ExitCode {
    eprintln!("afterimage-purge: the configuration has {} mistake(s):", mistakes.len());
    mistakes.iter().for_each(|mistake| eprintln!("  {mistake}"));
    ExitCode::from(EX_CONFIG)
}

fn main() -> ExitCode {
    // What is not UTF-8 is no setting of ours.
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = match Settings::of_function(environment.collect()) {
        Ok(settings) => settings,
        Err(mistakes) => return refuse(&mistakes),
    };
    log(&settings);
    let config = match settings.writing() {
        Ok(config) => config,
        Err(mistakes) => return refuse(&mistakes),
    };
    let ran = Writing::open(config, Arc::new(MachineClock)).map_err(|error| error.to_string()).and_then(run);
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("afterimage-purge: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(writing: Writing) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let function = Arc::new(Function::new(writing, Pace::default()).await);
        let answer = service_fn(|event: LambdaEvent<Value>| {
            let function = function.clone();
            async move {
                let answered = function.handle(&event.payload, event.context.deadline()).await;
                answered.map_err(lambda_runtime::Error::from)
            }
        });
        lambda_runtime::run(answer).await.map_err(|error| error.to_string())
    })
}
