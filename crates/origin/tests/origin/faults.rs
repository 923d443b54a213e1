//! GUARANTEE, section 2: what must hold when an origin is slow, broken or lying.

use std::time::{Duration, Instant};

use afterimage_origin::{Error, Fault, Framing, Phase};
use afterimage_testkit::{Step, Upstream, answer, raw};

use crate::support::{get, ok, origin, whole};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn send(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

/// What a broken answer is, and the error it must come to.
struct Case {
    name: &'static str,
    steps: Vec<Step>,
    expected: fn(&Error) -> bool,
}

fn timeout(error: &Error, phase: Phase) -> bool {
    *error == Error::Timeout { phase }
}

fn cases() -> Vec<Case> {
    let case = |name, steps, expected| Case { name, steps, expected };
    let big = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "A: b\r\n".repeat(200));
    vec![
        case(
            "slow to the first byte",
            vec![Step::Wait(ms(400)), send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")],
            |e| timeout(e, Phase::FirstByte),
        ),
        case("says nothing", vec![Step::Hang], |e| timeout(e, Phase::FirstByte)),
        case("hangs in its headers", vec![send("HTTP/1.1 200 OK\r\nContent-"), Step::Hang], |e| {
            timeout(e, Phase::FirstByte)
        }),
        case("hangs in its body", vec![send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), Step::Hang], |e| {
            timeout(e, Phase::Idle)
        }),
        case(
            "hangs between chunks",
            vec![send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), Step::Hang],
            |e| timeout(e, Phase::Idle),
        ),
        case("one byte now and then, for ever", drip(), |e| timeout(e, Phase::Total)),
        case("cut short", vec![send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), Step::Close], incomplete),
        case("cut to nothing", vec![send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"), Step::Close], incomplete),
        case(
            "chunks cut",
            vec![send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), Step::Close],
            incomplete,
        ),
        case(
            "a chunk cut",
            vec![send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf"), Step::Close],
            incomplete,
        ),
        case(
            "the end of the last chunk cut",
            vec![send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n"), Step::Close],
            incomplete,
        ),
        case(
            "a bad chunk",
            raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n0\r\n\r\n"),
            incomplete,
        ),
        case(
            "a chunk longer than it says",
            raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhalf\r\n0\r\n\r\n"),
            incomplete,
        ),
        case(
            "a chunk of 2^64 bytes",
            raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx"),
            incomplete,
        ),
        case(
            "reset in its body",
            vec![send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), Step::Wait(ms(30)), Step::Reset],
            incomplete,
        ),
        case("reset before an answer", vec![Step::Reset], |e| matches!(e, Error::Connect(_))),
        case("closed before an answer", vec![Step::Close], |e| matches!(e, Error::Connect(_))),
        case("cut in its headers", vec![send("HTTP/1.1 200 OK\r\nContent-"), Step::Close], |e| {
            matches!(e, Error::Connect(_))
        }),
        case("not HTTP", raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), malformed),
        case("two lengths", raw("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhalfs"), malformed),
        case("a length with a sign", raw("HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nhalf"), malformed),
        case(
            "a length beside chunks",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            malformed,
        ),
        case("another coding", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), malformed),
        case(
            "chunked twice",
            raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            malformed,
        ),
        case("chunks in HTTP/1.0", raw("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), malformed),
        case("a folded header", raw("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n"), malformed),
        case("a space before the colon", raw("HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"), malformed),
        case(
            "protocols switched",
            raw("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
            malformed,
        ),
        case("200 kB of headers", raw(big), |e| *e == Error::HeadersTooLarge),
        case("200 headers", raw(many), |e| matches!(e, Error::HeadersTooLarge | Error::Malformed(_))),
        case("more than the bound, announced", answer(200, &[], &[7; 100_001]), |e| {
            *e == Error::BodyTooLarge { max: 100_000 }
        }),
        case("more than the bound, in chunks", chunks(100_001), |e| *e == Error::BodyTooLarge { max: 100_000 }),
    ]
}

fn incomplete(error: &Error) -> bool {
    matches!(error, Error::Incomplete(_))
}

fn malformed(error: &Error) -> bool {
    matches!(error, Error::Malformed(_))
}

fn drip() -> Vec<Step> {
    let mut steps = vec![send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")];
    for _ in 0..20 {
        steps.extend([send("x"), Step::Wait(ms(60))]);
    }
    steps
}

fn chunks(bytes: usize) -> Vec<Step> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    answer.extend_from_slice(format!("{bytes:x}\r\n").as_bytes());
    answer.extend(std::iter::repeat_n(7, bytes));
    answer.extend_from_slice(b"\r\n0\r\n\r\n");
    vec![Step::Send(answer)]
}

/// Every fault is an error within its deadline, and the connection it happened on is never used again.
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_an_error_and_costs_its_connection() {
    let mut tests = tokio::task::JoinSet::new();
    for case in cases() {
        tests.spawn(async move {
            let steps = case.steps.clone();
            let upstream = Upstream::start(move |asked| match asked.target.as_str() {
                "/fault" => steps.clone(),
                _ => answer(200, &[], b"well"),
            });
            let origin = origin(&upstream);
            // The fault happens on a connection that has been used before: the likelier to be used again.
            assert_eq!(&ok(&origin, "/well").await.body[..], b"well", "{}", case.name);
            let begun = Instant::now();
            let error = whole(&origin, get("/fault")).await.expect_err(case.name);
            assert!((case.expected)(&error), "{}: {error:?}", case.name);
            assert!(begun.elapsed() < ms(2000), "{}: {:?}", case.name, begun.elapsed());
            assert_eq!(error.fault(), Fault::Origin, "{}", case.name);
            let used: Vec<usize> = upstream.asked().iter().map(|asked| asked.connection).collect();
            assert_eq!(&ok(&origin, "/well").await.body[..], b"well", "{}", case.name);
            let next = upstream.asked().last().map(|asked| asked.connection).expect("it was asked");
            assert!(!used.contains(&next), "{}: connection {next} was used again", case.name);
        });
    }
    while let Some(test) = tests.join_next().await {
        test.expect("every case holds");
    }
}

/// Surplus bytes are the next answer's poison: whatever the moment they come, nobody ever reads them as an answer.
#[tokio::test(flavor = "multi_thread")]
async fn surplus_bytes_never_become_the_next_answer() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for (name, steps) in [
        ("after a length", raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell{poison}"))),
        (
            "after the last chunk",
            raw(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwell\r\n0\r\n\r\n{poison}")),
        ),
        ("after a 304", raw(format!("HTTP/1.1 304 Not Modified\r\n\r\n{poison}"))),
        ("after no content", raw(format!("HTTP/1.1 204 No Content\r\n\r\n{poison}"))),
        (
            "a moment later",
            vec![send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell"), Step::Wait(ms(5)), send(poison)],
        ),
    ] {
        let upstream = Upstream::start(move |asked| match asked.target.as_str() {
            "/fault" => steps.clone(),
            _ => answer(200, &[], b"well"),
        });
        let origin = origin(&upstream);
        for turn in 0..20 {
            whole(&origin, get("/fault")).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            // What comes after the next request was sent cannot be told from its answer; what came before can.
            if turn < 3 {
                tokio::time::sleep(ms(100)).await;
            } else if name == "a moment later" {
                break;
            }
            assert_eq!(&ok(&origin, "/well").await.body[..], b"well", "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_without_length_say_so() {
    for (name, text, framing) in [
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", Framing::Length(4)),
        (
            "lengths that agree",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
            Framing::Length(4),
        ),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n4;a=b\r\nbody\r\n0\r\nT: r\r\n\r\n",
            Framing::Chunked,
        ),
        ("end of the connection", "HTTP/1.1 200 OK\r\n\r\nbody", Framing::UntilClose),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nbody", Framing::UntilClose),
    ] {
        let upstream = Upstream::start(move |_| [raw(text), vec![Step::Close]].concat());
        let found = ok(&origin(&upstream), "/").await;
        assert_eq!((&found.body[..], found.framing()), (&b"body"[..], framing), "{name}");
        let length = found.head.headers.get("content-length").and_then(|value| value.to_str().ok());
        assert_eq!(length, matches!(framing, Framing::Length(_)).then_some("4"), "{name}");
        assert_eq!(found.head.headers.get_all("content-length").iter().count(), usize::from(length.is_some()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_304s_and_204s_have_no_body_and_keep_their_connection() {
    for (method, text) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\nETag: \"x\"\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4000\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
    ] {
        let upstream = Upstream::start(move |_| raw(text));
        let origin = origin(&upstream);
        for _ in 0..3 {
            let request = http::Request::builder().method(method).uri("/").body(afterimage_origin::Body::empty());
            let found = whole(&origin, request.expect("a request")).await.expect(text);
            assert_eq!((found.body.len(), found.framing()), (0, Framing::None), "{text}");
        }
        assert_eq!(upstream.connections(), 1, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn information_before_an_answer_is_skipped() {
    let upstream = Upstream::start(|_| {
        raw(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )
    });
    let found = ok(&origin(&upstream), "/").await;
    assert_eq!((found.head.status.as_u16(), &found.body[..]), (200, &b"ok"[..]));
    assert!(!found.head.headers.contains_key("link"));
}

/// A viewer who goes away in the middle closes the connection; nobody reads the rest of the body.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_dropped_early_closes_its_connection() {
    let upstream = Upstream::start(|asked| match asked.target.as_str() {
        "/long" => vec![
            send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
            Step::Wait(ms(20)),
            send("-half"),
            send("x"),
        ],
        _ => answer(200, &[], b"well"),
    });
    let origin = origin(&upstream);
    drop(origin.send(get("/long")).await.expect("an answer"));
    assert_eq!(&ok(&origin, "/").await.body[..], b"well");
    assert_eq!(upstream.connections(), 2);
}
