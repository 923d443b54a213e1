//! The published test vectors of signature version 4, as far as they can be sent over HTTP (no folded headers, no raw
//! UTF-8 in a target) and are signed as services other than S3 sign; and what must be refused.

use http::Request;
use proptest::prelude::*;

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const EMPTY_GET: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
const UNRESERVED: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn verifier() -> Verifier {
    let keys = ["AKIDOTHER", "AKIDEXAMPLE"].map(|id| AccessKey { id: id.into(), secret: SECRET.into() }).to_vec();
    Verifier { keys, service: "service", skew: Duration::from_secs(300) }
}

fn at(date: &str) -> SystemTime {
    moment(date).unwrap()
}

fn signed(method: &str, target: &str, headers: &[(&str, &str)], signature: &str) -> Parts {
    let mut builder = Request::builder().method(method).uri(target).header("Host", "example.amazonaws.com");
    let mut names = vec!["host".to_owned()];
    for (name, value) in headers.iter().chain(&[("X-Amz-Date", "20150830T123600Z")]) {
        builder = builder.header(*name, *value);
        names.push(name.to_lowercase());
    }
    names.sort();
    names.dedup();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={}, \
         Signature={signature}",
        names.join(";")
    );
    builder.header("Authorization", authorization).body(()).unwrap().into_parts().0
}

fn verdict(head: &Parts, body: &[u8], now: &str) -> Result<(), Refusal> {
    verifier().claim(head, at(now))?.verify(head, body)
}

fn check(method: &str, target: &str, headers: &[(&str, &str)], body: &str, signature: &str) {
    let head = signed(method, target, headers, signature);
    assert_eq!(verdict(&head, body.as_bytes(), "20150830T123600Z"), Ok(()), "{method} {target} {headers:?}");
    let tampered = verdict(&head, format!("{body} ").as_bytes(), "20150830T123600Z");
    assert!(matches!(tampered, Err(Refusal::Mismatch(_))), "{method} {target}: another body was taken");
}

#[test]
fn the_published_vectors_verify() {
    let unreserved = format!("/{UNRESERVED}");
    let unreserved_query = format!("/?{UNRESERVED}={UNRESERVED}");
    let form = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
    let plain = "application/x-www-form-urlencoded";
    let charset = "application/x-www-form-urlencoded; charset=utf-8";
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        ("GET", "/", &[], "", EMPTY_GET),
        ("GET", "/example/..", &[], "", EMPTY_GET),
        ("GET", "/./", &[], "", EMPTY_GET),
        ("GET", "//example//", &[], "", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        ("GET", &unreserved, &[], "", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        ("GET", "/?Param1=value1", &[], "", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        (
            "GET",
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            &[],
            "",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        ("GET", &unreserved_query, &[], "", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
        ("GET", "/?%E1%88%B4=bar", &[], "", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        (
            "GET",
            "/",
            &[("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
            "",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "GET",
            "/",
            &[("My-Header1", "value4"), ("My-Header1", "value1"), ("My-Header1", "value3"), ("My-Header1", "value2")],
            "",
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "GET",
            "/",
            &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            "",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        ("POST", "/", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("POST", "/?Param1=value1", &[], "", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
        (
            "POST",
            "/",
            &[("My-Header1", "VALUE1")],
            "",
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        ),
        (
            "POST",
            "/",
            &[("Content-Type", plain), ("Content-Length", "13"), ("X-Amz-Content-Sha256", form)],
            "Param1=value1",
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
        ),
        (
            "POST",
            "/",
            &[("Content-Type", charset), ("Content-Length", "13"), ("X-Amz-Content-Sha256", form)],
            "Param1=value1",
            "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
        ),
    ];
    for (method, target, headers, body, signature) in cases {
        check(method, target, headers, body, signature);
    }
}

#[test]
fn the_skew_is_a_bound_both_ways() {
    let head = signed("GET", "/", &[], EMPTY_GET);
    for within in ["20150830T123100Z", "20150830T124100Z"] {
        assert_eq!(verdict(&head, b"", within), Ok(()), "{within}");
    }
    let words = |now: &str| match verdict(&head, b"", now) {
        Err(Refusal::Mismatch(words)) => words,
        other => panic!("{now}: {other:?}"),
    };
    assert_eq!(words("20150830T124101Z"), "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z");
    assert!(words("20150830T123059Z").starts_with("Signature not yet current: 20150830T123600Z is still later than"));
}

#[test]
fn every_flipped_part_is_refused() {
    let good = "/a?b=c";
    let key = &verifier().keys[1];
    let scope = "20150830/us-east-1/service/aws4_request";
    let unsigned = signed("POST", good, &[("X-Thing", "one")], EMPTY_GET);
    let names: Vec<String> = ["host", "x-amz-date", "x-thing"].map(str::to_owned).to_vec();
    let request = canonical_request(&unsigned, &names, &digest_hex(b"body")).unwrap();
    let signature: String =
        sign(key, scope, "20150830T123600Z", &request).iter().map(|byte| format!("{byte:02x}")).collect();
    let now = "20150830T123600Z";
    let head = |method: &str, target: &str, value: &str| signed(method, target, &[("X-Thing", value)], &signature);
    assert_eq!(verdict(&head("POST", good, "one"), b"body", now), Ok(()));
    for (what, head, body) in [
        ("method", head("GET", good, "one"), "body"),
        ("path", head("POST", "/A?b=c", "one"), "body"),
        ("query", head("POST", "/a?b=C", "one"), "body"),
        ("more query", head("POST", "/a?b=c&d", "one"), "body"),
        ("path into query", head("POST", "/?a=&b=c", "one"), "body"),
        ("header", head("POST", good, "two"), "body"),
        ("body", head("POST", good, "one"), "bodY"),
    ] {
        assert!(matches!(verdict(&head, body.as_bytes(), now), Err(Refusal::Mismatch(_))), "{what}");
    }
    for at in 0..64 {
        let mut other = signature.clone().into_bytes();
        other[at] = if other[at] == b'0' { b'1' } else { b'0' };
        let head = signed("POST", good, &[("X-Thing", "one")], std::str::from_utf8(&other).unwrap());
        assert!(matches!(verdict(&head, b"body", now), Err(Refusal::Mismatch(_))), "hex digit {at}");
    }
}

/// A head whose `Authorization` was rewritten.
fn altered(from: &str, to: &str) -> Parts {
    let mut head = signed("GET", "/", &[], EMPTY_GET);
    let value = head.headers[AUTHORIZATION].to_str().unwrap();
    assert!(value.contains(from), "{from}");
    let value = value.replace(from, to).parse().unwrap();
    head.headers.insert(AUTHORIZATION, value);
    head
}

#[test]
fn scopes_and_keys_that_do_not_fit_are_refused() {
    let now = "20150830T123600Z";
    assert_eq!(verdict(&altered("AKIDEXAMPLE", "AKIDNOBODY"), b"", now), Err(Refusal::UnknownKey));
    for (from, to) in [
        ("/service/", "/s3/"),
        ("20150830/", "20150831/"),
        ("aws4_request", "aws5_request"),
        ("us-east-1", "us-east-2"),
        ("/us-east-1/", "//"),
        ("host;x-amz-date", "x-amz-date"),
        ("host;x-amz-date", "host"),
        ("host;x-amz-date", "host;x-amz-date;x-none"),
    ] {
        assert!(matches!(verdict(&altered(from, to), b"", now), Err(Refusal::Mismatch(_))), "{from} {to}");
    }
    let mut head = signed("GET", "/", &[], EMPTY_GET);
    head.headers.insert("x-amz-target", "more".parse().unwrap());
    assert!(matches!(verdict(&head, b"", now), Err(Refusal::Mismatch(_))), "an unsigned header of theirs");
}

#[test]
fn what_is_no_signature_is_told_apart() {
    let now = "20150830T123600Z";
    for (from, to) in [
        ("Credential=", "Credentials="),
        ("SignedHeaders=host;x-amz-date, ", ""),
        ("SignedHeaders=host;", "SignedHeaders=Host;"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=x-amz-date;host"),
        ("Signature=5f", "Signature=5F"),
        ("Signature=5f", "Signature=5"),
        ("Signature=", "Signature=00"),
        ("/aws4_request", ""),
        (", Signature", ", Signature=00, Signature"),
    ] {
        assert!(matches!(verdict(&altered(from, to), b"", now), Err(Refusal::Incomplete(_))), "{from} {to}");
    }
    for none in ["Bearer x", "AWS4-HMAC-SHA512 Credential=x", ""] {
        let mut head = signed("GET", "/", &[], EMPTY_GET);
        head.headers.insert(AUTHORIZATION, none.parse().unwrap());
        assert_eq!(verdict(&head, b"", now), Err(Refusal::Missing), "{none}");
    }
    let mut twice = signed("GET", "/", &[], EMPTY_GET);
    let value = twice.headers[AUTHORIZATION].clone();
    twice.headers.append(AUTHORIZATION, value);
    assert!(matches!(verdict(&twice, b"", now), Err(Refusal::Incomplete(_))));
    for date in ["20150830", "20150830T123600", "2015083OT123600Z", "20151330T123600Z", "20150830t123600Z"] {
        let mut head = signed("GET", "/", &[], EMPTY_GET);
        head.headers.insert(DATE, date.parse().unwrap());
        assert!(verdict(&head, b"", now).is_err(), "{date}");
    }
}

proptest! {
    #[test]
    fn no_header_panics_and_none_opens(authorization in "(AWS4-HMAC-SHA256 )?[ -~]{0,120}", date in "[0-9TZ:-]{0,20}") {
        let mut head = signed("GET", "/", &[], EMPTY_GET);
        head.headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        head.headers.insert(DATE, date.parse().unwrap());
        prop_assert!(verdict(&head, b"", "20150830T123600Z").is_err());
    }

    #[test]
    fn canonical_once_is_canonical(query in "[ -~]{0,80}") {
        let once = canonical_query(&query);
        prop_assert_eq!(canonical_query(&once), once);
    }
}
