//! The access log of the built binary: one line for each answer, and nothing of it unless asked for.

use std::time::{Duration, Instant};

use afterimage_testkit::{Server, request};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

/// The lines there are once there are `count` of them.
fn lines(server: &Server, word: &str, count: usize) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let log = std::fs::read_to_string(server.home().join("log")).expect("a log");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(word)).map(str::to_owned).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{count} lines with {word}:\n{log}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn each_answer_is_a_line_of_json() {
    let server = Server::start(BINARY, &["museum.jpg"], &["--set", "log.access=json", "--set", "source.settle=20ms"]);
    let target = "/museum.jpg?w=100";
    let agent = format!("\"\\{}", "x".repeat(1000));
    server.until(target, |answer| answer.header("cache-status").contains("memory"));
    let ask = |method: &str, target: &str| {
        request(&server.base, method, target, &[("host", "pictures.example"), ("user-agent", &agent)], b"")
    };
    let hit = ask("GET", target);
    ask("HEAD", target);
    assert_eq!(ask("GET", &format!("/{}.jpg", "a".repeat(3000))).status, 404);
    assert_eq!(ask("GET", "/nothing.jpg").status, 404);
    let all = lines(&server, "\"host\":\"pictures.example\"", 4);
    let parsed: Vec<serde_json::Value> = all.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(parsed.len(), 4, "{all:?}");
    let first = &parsed[0];
    for (field, value) in [
        ("log", "access"),
        ("client", "127.0.0.0"),
        ("method", "GET"),
        ("target", target),
        ("cache", "hit"),
        ("reason", "memory"),
        ("host", "pictures.example"),
        ("user_agent", &agent[..256]),
    ] {
        assert_eq!(first[field], value, "{first}");
    }
    assert_eq!((&first["status"], &first["bytes"]), (&200.into(), &hit.body.len().into()));
    assert!(first["ms"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 10_000.0), "{first}");
    assert!(first["time"].as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 24), "{first}");
    assert_eq!((&parsed[1]["method"], &parsed[1]["bytes"]), (&"HEAD".into(), &0.into()));
    assert_eq!((&parsed[2]["status"], parsed[2]["target"].as_str().map(str::len)), (&404.into(), Some(2048)));
    assert_eq!((&parsed[3]["cache"], &parsed[3]["reason"]), (&"uri-miss".into(), &"gone".into()));
    assert_eq!(server.greeting.matches("access").count(), 0);
}

#[test]
fn text_and_full_addresses_are_settings_and_nothing_is_written_unless_asked_for() {
    let server =
        Server::start(BINARY, &["museum.jpg"], &["--set", "log.access=text", "--set", "log.client_address=full"]);
    assert_eq!(server.get("/museum.jpg?w=100").status, 200);
    let line = &lines(&server, " access ", 1)[0];
    assert!(line.contains(" access 127.0.0.1 GET \"/museum.jpg?w=100\" 200 "), "{line}");
    // What it wrote last is there after its end.
    let server = server.restart(false, &[], |_| {});
    let before = lines(&server, " access ", 1).len();
    assert_eq!(server.get("/museum.jpg?w=100").status, 200);
    let server = server.restart(false, &[], |_| {});
    assert_eq!(lines(&server, " access ", before).len(), before);
}
