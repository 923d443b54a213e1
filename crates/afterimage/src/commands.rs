//! The commands that need the state: each is one call of a route, near or far.

use std::io::IsTerminal;

use afterimage_control::{Planned, PurgeRequest, ReconcileRequest};
use afterimage_edge::Explanation;
use afterimage_identity::Receipt;
use afterimage_purge::Report;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::adopt;
use crate::cli::{Common, Purge, Reconcile};
use crate::exit::Exit;
use crate::instance::Instance;
use crate::printing;

pub fn explain(common: &Common, url: &str, host: Option<&str>, accept: &str, json: bool) -> Result<(), Exit> {
    let target = target_of(url);
    let mut fields = vec![("url", target.as_str()), ("accept", accept)];
    fields.extend(host.or_else(|| host_of(url)).map(|host| ("host", host)));
    let query = form(&fields);
    let explanation: Explanation = call(common, Method::GET, &format!("/api/explain?{query}"), String::new())?;
    print(json, &explanation, || printing::explanation(&explanation))
}

pub fn purge(common: &Common, options: &Purge) -> Result<(), Exit> {
    let request = PurgeRequest {
        key: options.what.key.clone(),
        prefix: options.what.prefix.clone(),
        all: false,
        wait: options.wait,
    };
    if options.plan {
        let planned: Vec<Planned> = call(common, Method::POST, "/api/purge/plan", body(&request)?)?;
        return print(options.json, &planned, || printing::planned(&planned));
    }
    let receipts: Vec<Receipt> = call(common, Method::POST, "/api/purge", body(&request)?)?;
    print(options.json, &receipts, || receipts.iter().map(printing::receipt).collect())
}

pub fn reconcile(common: &Common, options: &Reconcile) -> Result<(), Exit> {
    let Reconcile { dry_run, confirm, json, adopt } = options;
    let plan = confirm.as_ref().and_then(|plan| plan.as_deref());
    if adopt.adopt.is_some() {
        return adopt::adopt(common, adopt, plan, *json);
    }
    if let Some(plan) = plan {
        return Err(Exit::Usage(format!("--confirm {}: a plan is for --adopt", plan.display())));
    }
    let (dry_run, confirm, json) = (*dry_run, confirm.is_some(), *json);
    let spinner = indicatif::ProgressBar::no_length();
    if std::io::stderr().is_terminal() {
        spinner.set_message("comparing derivatives with originals");
        spinner.enable_steady_tick(std::time::Duration::from_millis(100));
    } else {
        spinner.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        eprintln!("comparing derivatives with originals");
    }
    let request = body(&ReconcileRequest { dry_run, confirm })?;
    let report: Result<Report, Exit> = call(common, Method::POST, "/api/reconcile", request);
    spinner.finish_and_clear();
    let report = report?;
    print(json, &report, || printing::report(&report))
}

pub fn receipts(common: &Common, key: Option<&str>, limit: usize, json: bool) -> Result<(), Exit> {
    let limit = limit.to_string();
    let mut fields = vec![("limit", limit.as_str())];
    fields.extend(key.map(|key| ("key", key)));
    let receipts: Vec<Receipt> = call(common, Method::GET, &format!("/api/receipts?{}", form(&fields)), String::new())?;
    print(json, &receipts, || match receipts.as_slice() {
        [] => "nothing was purged yet\n".to_owned(),
        receipts => receipts.iter().map(printing::receipt).collect(),
    })
}

fn call<T: DeserializeOwned>(common: &Common, method: Method, path: &str, body: String) -> Result<T, Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Exit::Failed(error.to_string()))?;
    runtime.block_on(async {
        let instance = Instance::find(common).await?;
        let answer = instance.client.call(method, path, body).await;
        instance.close().await;
        answer
    })
}

fn body(request: &impl Serialize) -> Result<String, Exit> {
    serde_json::to_string(request).map_err(|error| Exit::Failed(error.to_string()))
}

fn print(json: bool, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Exit> {
    if json {
        let json = serde_json::to_string_pretty(value).map_err(|error| Exit::Failed(error.to_string()))?;
        println!("{json}");
    } else {
        print!("{}", text());
    }
    Ok(())
}

/// A URL's scheme, and what is behind it. A path may have another URL in it (imgproxy's do), and has no scheme for that.
pub fn absolute(url: &str) -> Option<(&str, &str)> {
    url.split_once("://").filter(|(scheme, _)| !scheme.contains(['/', '?']))
}

/// Path and query of a URL; what has no scheme is taken as they stand.
pub fn target_of(url: &str) -> String {
    let target = match absolute(url) {
        Some((_, rest)) => rest.find(['/', '?']).map_or("/", |at| &rest[at..]),
        None => url,
    };
    if target.starts_with('/') { target.to_owned() } else { format!("/{target}") }
}

/// The authority of a URL; what has no scheme names none.
pub fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = absolute(url)?;
    rest.split(['/', '?']).next().filter(|host| !host.is_empty())
}

/// `application/x-www-form-urlencoded`.
fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect::<String>()
    };
    fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_its_target_and_its_host() {
        for (url, target, host) in [
            ("http://localhost:8080/a.jpg?w=1", "/a.jpg?w=1", Some("localhost:8080")),
            ("https://example.com", "/", Some("example.com")),
            ("https://example.com?w=1", "/?w=1", Some("example.com")),
            ("/a.jpg?w=1", "/a.jpg?w=1", None),
            ("a.jpg", "/a.jpg", None),
            ("/imgproxy/s/plain/https://a.example/b.jpg@webp", "/imgproxy/s/plain/https://a.example/b.jpg@webp", None),
            ("/a.jpg?of=https://a.example/b", "/a.jpg?of=https://a.example/b", None),
            ("http://c.example/s/plain/local:///b.jpg", "/s/plain/local:///b.jpg", Some("c.example")),
        ] {
            assert_eq!(target_of(url), target);
            assert_eq!(host_of(url), host);
        }
    }
}
