//! What buckets say, told to the built binary as they say it. Nothing else tells it: the folder of originals is looked at once
//! an hour, and proofs hold for an hour.

use std::fs;
use std::time::{Duration, Instant};

use afterimage_testkit::{Answer, Server, request};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");
const TARGET: &str = "/museum.jpg?w=200";
const TOKEN: &str = "a-token-for-events-only";

fn serve(names: &[&str], settings: &[&str]) -> Server {
    let quiet = [
        "watch.mode=poll",
        "watch.poll_interval=1h",
        "source.window=1h",
        "source.settle=20ms",
        "events.buckets=img/originals/",
    ];
    let arguments: Vec<&str> = quiet.iter().chain(settings).flat_map(|setting| ["--set", setting]).collect();
    let server = Server::start(BINARY, names, &arguments);
    for name in names {
        let target = format!("/{name}?w=200");
        server.until(&target, |answer| answer.header("cache-status").contains("memory"));
    }
    server
}

fn record(name: &str, key: &str) -> String {
    format!(
        r#"{{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-02T03:04:05.678Z","eventName":"{name}","s3":{{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{{"name":"img","arn":"arn:aws:s3:::img"}},"object":{{"key":"{key}","sequencer":"0055AED6DCD90281E5"}}}}}}"#
    )
}

fn said(name: &str, key: &str) -> String {
    format!(r#"{{"Records":[{}]}}"#, record(name, key))
}

fn deliver(server: &Server, body: &str, token: Option<&str>) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
    request(&server.admin, "POST", "/events", &headers, body.as_bytes())
}

fn metric(server: &Server, line: &str) -> u64 {
    let metrics = request(&server.admin, "GET", "/metrics", &[], b"").text();
    let value = metrics.lines().find_map(|at| at.strip_prefix(line)).unwrap_or_else(|| panic!("{line} in\n{metrics}"));
    value.trim().parse().unwrap()
}

#[test]
fn once_a_deletion_is_answered_every_size_is_gone() {
    let server = serve(&["museum.jpg"], &[]);
    assert!(server.greeting.contains("POST /events"), "{}", server.greeting);
    fs::remove_file(server.originals.join("museum.jpg")).unwrap();
    assert_eq!(server.get(TARGET).status, 200, "nobody has told");
    let answer = deliver(&server, &said("ObjectRemoved:Delete", "originals%2Fmuseum.jpg"), None);
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(server.get(TARGET).status, 404);
    let begun = Instant::now();
    while !server.derivatives().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(metric(&server, "afterimage_events_outcomes_total{outcome=\"taken\"}"), 1);
}

#[test]
fn an_overwritten_picture_is_the_new_one_in_every_dialect() {
    let server = serve(&["museum.jpg"], &[]);
    let written = said("ObjectCreated:Put", "originals/museum.jpg");
    let minio = written.replace("aws:s3", "minio:s3").replace("ObjectCreated", "s3:ObjectCreated");
    let bridge = r#"{"version":"0","id":"u","detail-type":"Object Created","source":"aws.s3","resources":[],"detail":{"version":"0","bucket":{"name":"img"},"object":{"key":"originals/museum.jpg"},"reason":"PutObject"}}"#;
    for (turn, said) in [&written, &minio, bridge].into_iter().enumerate() {
        server.until(TARGET, |answer| answer.header("cache-status").contains("memory"));
        let before = server.get(TARGET).body;
        let other = ["flower.jpg", "museum.jpg"][turn % 2];
        fs::copy(afterimage_testkit::pictures().join(other), server.originals.join("museum.jpg")).unwrap();
        assert!(server.get(TARGET).body == before, "nobody has told");
        assert_eq!(deliver(&server, said, None).status, 204);
        let answer = server.get(TARGET);
        assert_eq!(answer.status, 200);
        assert!(answer.body != before, "{said}");
    }
}

#[test]
fn a_lie_costs_a_question_and_nothing_else() {
    let server = serve(&["museum.jpg"], &[]);
    let before = server.derivatives();
    assert_eq!(deliver(&server, &said("ObjectRemoved:Delete", "originals/museum.jpg"), None).status, 204);
    assert_eq!((server.get(TARGET).status, server.derivatives()), (200, before));
}

#[test]
fn what_makes_no_work_is_answered_and_counted() {
    let server = serve(&["museum.jpg"], &["events.derivatives=img/originals/derived/"]);
    let receipts = || server.run(&["receipts", "--json"]).stdout;
    let before = receipts();
    for (body, reason) in [
        (said("ObjectRemoved:Delete", "originals/derived/museum.jpg/-/w200.webp"), "derivative"),
        (said("ObjectRemoved:Delete", "museum.jpg"), "other-prefix"),
        (said("ObjectRemoved:Delete", "originals/museum.jpg").replace("\"img\"", "\"other\""), "other-bucket"),
        (said("ObjectTagging:Put", "originals/museum.jpg"), "tagged"),
        (said("ObjectTeleported:Away", "originals/museum.jpg"), "unknown-name"),
        (r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"img"}"#.to_owned(), "test"),
    ] {
        assert_eq!(deliver(&server, &body, None).status, 204, "{body}");
        assert_eq!(metric(&server, &format!("afterimage_events_ignored_total{{reason=\"{reason}\"}}")), 1);
    }
    assert_eq!(receipts(), before);
}

#[test]
fn deliveries_are_let_in_by_token_and_bounded() {
    let server = serve(&["museum.jpg"], &[&format!("events.token={TOKEN}")]);
    let body = said("ObjectRemoved:Delete", "originals/museum.jpg");
    assert_eq!(deliver(&server, &body, None).status, 401);
    assert_eq!(deliver(&server, &body, Some("another")).status, 401);
    assert_eq!(deliver(&server, "no json", None).status, 401, "strangers are not told what can be read");
    assert_eq!(deliver(&server, "no json", Some(TOKEN)).status, 400);
    assert_eq!(deliver(&server, &body, Some(TOKEN)).status, 204);
    let padded = |bytes: usize| format!("{body}{}", " ".repeat(bytes - body.len()));
    assert_eq!(deliver(&server, &padded(1 << 20), Some(TOKEN)).status, 204);
    assert_eq!(deliver(&server, &padded((1 << 20) + 1), Some(TOKEN)).status, 413);
    // MinIO asks before it has anything to say, and shows nothing.
    assert_eq!(request(&server.admin, "HEAD", "/events", &[], b"").status, 200);
    assert_eq!(request(&server.admin, "GET", "/events", &[], b"").status, 405);
    let sns = r#"{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:us-east-1:1:t","Message":"{}","Timestamp":"2026-01-02T03:04:05.678Z"}"#;
    assert_eq!(deliver(&server, sns, Some(TOKEN)).status, 401, "no topic is listed");
}

#[test]
fn one_record_that_cannot_be_read_does_not_hold_up_the_others() {
    let server = serve(&["museum.jpg", "flower.jpg"], &[]);
    for name in ["museum.jpg", "flower.jpg"] {
        fs::remove_file(server.originals.join(name)).unwrap();
    }
    let removed = |key: &str| record("ObjectRemoved:Delete", key);
    let body = format!(
        r#"{{"Records":[{},{{"eventSource":"aws:s3"}},{}]}}"#,
        removed("originals/museum.jpg"),
        removed("originals/flower.jpg")
    );
    assert_eq!(deliver(&server, &body, None).status, 400, "whoever delivers has to know");
    for name in ["museum.jpg", "flower.jpg"] {
        assert_eq!(server.get(&format!("/{name}?w=200")).status, 404);
    }
}

#[test]
fn what_the_source_cannot_tell_is_to_be_brought_again() {
    let server = serve(&["museum.jpg"], &[]);
    let away = server.originals.with_extension("away");
    // Another folder takes the place of the root: its silence proves nothing.
    fs::rename(&server.originals, &away).unwrap();
    fs::create_dir(&server.originals).unwrap();
    let body = said("ObjectRemoved:Delete", "originals/museum.jpg");
    let answer = deliver(&server, &body, None);
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{}", answer.text());
    assert!(!server.derivatives().is_empty());
    fs::remove_dir(&server.originals).unwrap();
    fs::rename(&away, &server.originals).unwrap();
    fs::remove_file(server.originals.join("museum.jpg")).unwrap();
    assert_eq!(deliver(&server, &body, None).status, 204);
    assert_eq!(server.get(TARGET).status, 404);
}

#[test]
fn where_no_bucket_is_named_the_door_says_so() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    let answer = deliver(&server, &said("ObjectRemoved:Delete", "museum.jpg"), None);
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("events.buckets"), "{}", answer.text());
}
