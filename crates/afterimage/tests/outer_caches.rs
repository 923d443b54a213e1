//! Caches in front: a picture is removed, and CloudFront (its double) and another built edge forget it before the receipt says
//! that it is done.
#![cfg(feature = "cloudfront")]

use std::fs;
use std::time::{Duration, Instant};

use afterimage_testkit::{Answer, Double, DoubleRules, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");
const TARGET: &str = "/museum.jpg?w=200&fm=webp";
const SECRET: &str = "0123456789abcdef";

/// The double, an edge over pictures, and another edge in front of that which passes everything through. The inner one
/// tells both.
fn chain(rules: DoubleRules) -> (Double, Server, Server, Vec<String>) {
    let double = Double::start(rules);
    let port = |listener: &std::net::TcpListener| listener.local_addr().unwrap().port();
    let (inner_port, front_admin) = {
        // Both have to be known before either server runs.
        let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        (port(&listeners[0]), port(&listeners[1]))
    };
    let cdn = format!(
        "cdn=name=cf kind=cloudfront distribution={} endpoint={} access_key=AKIATEST secret={SECRET} window=100ms \
         name=front kind=edge endpoint=http://127.0.0.1:{front_admin} access_key=AKIATEST secret={SECRET} window=100ms",
        double.distribution, double.base
    );
    let arguments: Vec<String> = ["--listen".into(), format!("127.0.0.1:{inner_port}"), "--set".into(), cdn].into();
    let inner = Server::start(BINARY, &["museum.jpg", "flower.jpg"], &texts(&arguments));
    let pass = format!("pass.origin={}/", inner.base);
    let front = Server::start(
        BINARY,
        &[],
        &[
            "--admin",
            &format!("127.0.0.1:{front_admin}"),
            "--set",
            &pass,
            "--set",
            "origin.allow=127.0.0.0/8",
            "--set",
            "behaviours=path=/* serves=origin",
            "--set",
            &format!("admin.access_keys=AKIATEST {SECRET}"),
        ],
    );
    (double, inner, front, arguments)
}

fn texts(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// Whether the outermost edge had it.
fn is_hit(answer: &Answer) -> bool {
    let mut statuses = answer.headers.iter().filter(|(name, _)| name == "cache-status");
    answer.status == 200 && statuses.next_back().is_some_and(|(_, value)| value.contains("; hit"))
}

fn receipts(server: &Server) -> String {
    let output = server.run(&["receipts", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether the newest receipt is.
fn is_done(receipts: &str) -> bool {
    receipts.contains("\"state\": \"done\",\n    \"heard_at_ms\"")
}

fn until_done(server: &Server) -> String {
    let begun = Instant::now();
    loop {
        let text = receipts(server);
        if is_done(&text) {
            return text;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never done: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_removed_picture_is_gone_from_every_cache_in_front_when_its_receipt_says_so() {
    let (double, inner, front, _) = chain(DoubleRules { progress: Duration::from_secs(1), ..DoubleRules::default() });
    assert!(inner.greeting.contains("from cf ") && inner.greeting.contains("from front "), "{}", inner.greeting);
    assert!(!inner.greeting.contains(SECRET), "{}", inner.greeting);
    front.until(TARGET, is_hit);
    let begun = Instant::now();
    fs::remove_file(inner.originals.join("museum.jpg")).unwrap();
    let text = until_done(&inner);
    println!("done after {:?}", begun.elapsed());
    assert!(begun.elapsed() >= Duration::from_secs(1), "not before CloudFront says that it is complete");
    assert_eq!(front.get(TARGET).status, 404);
    assert_eq!(double.items().len(), 1, "one item an original: {:?}", double.items());
    for layer in ["edge", "derivatives", "cf", "front"] {
        let done = format!("\"name\": \"{layer}\",\n        \"state\": \"done\"");
        assert!(text.contains(&done), "{layer} in {text}");
    }
}

#[test]
fn one_that_cannot_be_reached_holds_up_nobody_and_a_fresh_process_tells_it() {
    let (double, inner, front, arguments) = chain(DoubleRules::default());
    front.until(TARGET, is_hit);
    // It throttles whatever comes.
    double.change(|rules| rules.calls_per_s = 0);
    fs::remove_file(inner.originals.join("museum.jpg")).unwrap();
    front.until(TARGET, |answer| answer.status == 404);
    let begun = Instant::now();
    while !receipts(&inner).contains("Throttling") {
        assert!(begun.elapsed() < Duration::from_secs(20), "the receipt never says why it waits: {}", receipts(&inner));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!is_done(&receipts(&inner)) && double.items().is_empty());
    let inner = inner.restart(true, &texts(&arguments), |_| double.change(|rules| rules.calls_per_s = 1000));
    until_done(&inner);
    let items = double.items();
    assert!(!items.is_empty() && items.iter().all(|item| *item == items[0]), "{items:?}");
}

#[test]
fn a_plan_says_what_would_be_sent_and_sends_nothing() {
    let (double, inner, _front, _) = chain(DoubleRules { tag_header: None, ..DoubleRules::default() });
    let output = inner.run(&["purge", "museum.jpg", "--plan"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for words in [
        "cf: 1 item(s) by wildcard, in 1 wave(s), $0.005 at most: the first 1000 of a month",
        "/museum.jpg*",
        "front: 1 item(s) by tag, in 1 wave(s), at no cost",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    let output = inner.run(&["purge", "--prefix", "users/123/", "--plan", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\"/users/123/*\"") && text.contains("\"#f"), "{text}");
    assert!(double.items().is_empty());
    assert_eq!(receipts(&inner).trim(), "[]");
}
