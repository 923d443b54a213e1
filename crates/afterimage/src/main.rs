//! The doors: parse what was said, call the edge or the write story, print the answer. Nothing is decided here.

mod access_log;
mod adopt;
mod aside;
mod cli;
mod client;
mod commands;
mod connection;
mod entrance;
mod entrances;
mod exit;
mod forwarded;
mod head_timer;
mod heads;
mod instance;
mod listen;
mod local;
mod memory;
mod printing;
mod serve;
mod tls;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    memory::give_back_soon();
    let Cli { common, command } = Cli::parse();
    let done = match command {
        Command::Serve(options) => serve::serve(&common, &options),
        Command::Explain { url, host, accept, json } => {
            commands::explain(&common, &url, host.as_deref(), &accept, json)
        }
        Command::Purge(options) => commands::purge(&common, &options),
        Command::Reconcile(options) => commands::reconcile(&common, &options),
        Command::Receipts { key, limit, json } => commands::receipts(&common, key.as_deref(), limit, json),
        Command::Render { input, output, parameters } => local::render(&common, &input, &output, &parameters),
        Command::Sign { url, key, expires_in } => local::sign(&common, &url, key.as_deref(), expires_in),
        Command::Keygen => local::keygen(),
        Command::Srcset { key, base, host, sizes } => local::srcset(&common, &key, &base, host.as_deref(), &sizes),
        Command::CloudfrontFunction(options) => local::cloudfront_function(&common, &options),
        Command::CheckConfig { defaults } => local::check_config(&common, defaults),
        Command::Worker => worker::work(),
        Command::Completions { shell } => local::completions(shell),
    };
    done.map_or_else(Into::into, |()| ExitCode::SUCCESS)
}
