use proptest::prelude::*;

use super::*;
use crate::{Grant, Rules, resolve, verify};

/// The key and the salt of imgproxy's documentation, "Signing the URL": the bytes of `secret` and `hello` in hex.
fn pair() -> KeyPair {
    KeyPair { key: b"secret".to_vec(), salt: b"hello".to_vec() }
}

fn front(keys: Vec<KeyPair>) -> Rules {
    let mapping = |url: &str, prefix: &str| Mapping { url: url.into(), prefix: prefix.into() };
    let mappings = vec![
        mapping("local:///", ""),
        mapping("s3://photos/", "p/"),
        mapping("s3://photos/old/", "archive/"),
        mapping("https://example.com/img/", "web/"),
    ];
    let imgproxy = Imgproxy { path: "/".into(), keys, signature_bytes: 32, base_url: String::new(), mappings };
    Rules {
        imgproxy: Some(imgproxy),
        presets: [("thumb".to_owned(), "w=200&h=200&fit=crop".to_owned())].into(),
        ..Rules::default()
    }
}

/// The canonical path, or what the refusal blames and says.
fn read(target: &str) -> Result<String, String> {
    let resolution = resolve(&front(vec![]), target, None, Grant::Signed);
    resolution.map(|resolution| resolution.canonical_path).map_err(|refusal| refusal.to_string())
}

#[test]
fn options_come_to_canonical_paths() {
    for (options, name) in [
        ("rs:fit:300:200", "w300-h200"),
        ("rs:fit:300:200:1", "w300-h200-clip"),
        ("rs:fit:300:200:0:1", "w300-h200-fillmax"),
        ("rs:fit:300:200:1:1/bg:ff0000", "w300-h200-fill-bgff0000"),
        ("rs:fill:300:200", "w300-h200-cropmax"),
        ("rs:fill:300:200:1/g:no", "w300-h200-crop-top"),
        ("rs:fill-down:300:200/g:sm", "w300-h200-min-smart"),
        ("resize:force:300:200:1", "w300-h200-scale"),
        ("rs:force:300:200", "w300-h200-scalemax"),
        ("rt:fill/w:300/h:200/el:1/g:soea", "w300-h200-crop-bottomright"),
        ("s:300:200/rt:fill/el:t/g:fp:0.25:0.75", "w300-h200-crop-fp2500x7500"),
        ("rs::300", "w300"),
        ("w:300/h:0", "w300"),
        ("w:300/w:400", "w400"),
        ("width:300/dpr:2", "w600"),
        ("w:300/q:70/f:webp", "w300-q70.webp"),
        ("w:300/q:0/ext:avif", "w300.avif"),
        ("w:300/bg:255:128:0", "w300-bgff8000"),
        ("w:300/blur:1.5/sh:0.5", "w300-blur15-sharp50"),
        ("w:300/rot:90", "rot90-w300"),
        ("w:300/c:500:0.5:nowe", "rect0x0x500xp5000-w300"),
        ("w:300/c:500:0/g:so", "rectcx0x500xp10000-w300"),
        ("w:300/cb:1234/exp:4102444800/ar:1/sm:1/scp:1", "w300"),
        ("pr:thumb", "w200-h200-crop"),
        ("pr:thumb/w:100", "w100-h200-crop"),
        ("pr:thumb/rt:fit/w:100", "w100-h200"),
    ] {
        let read = read(&format!("/_/{options}/plain/local:///a.jpg"));
        let (_, made) = read.as_deref().unwrap_or_else(|why| panic!("{options}: {why}")).split_once("/-/").unwrap();
        let wanted = if name.contains('.') { name.to_owned() } else { format!("{name}.same") };
        assert_eq!(made, wanted, "{options}");
    }
}

#[test]
fn sources_come_to_originals() {
    let encode = |url: &str| URL_SAFE_NO_PAD.encode(url);
    let long = encode("s3://photos/2024/a b.jpg");
    let (one, two) = long.split_at(9);
    for (source, path) in [
        ("plain/local:///d/a.jpg".to_owned(), "/d/a.jpg/-/w300.same"),
        ("plain/local:/d/a.jpg".to_owned(), "/d/a.jpg/-/w300.same"),
        ("plain/s3://photos/a.jpg@webp".to_owned(), "/p/a.jpg/-/w300.webp"),
        ("plain/s3:/photos/a.jpg@".to_owned(), "/p/a.jpg/-/w300.same"),
        ("plain/s3://photos/old/a.jpg".to_owned(), "/archive/a.jpg/-/w300.same"),
        ("plain/s3%3A%2F%2Fphotos%2Fa%20b.jpg@png".to_owned(), "/p/a=20b.jpg/-/w300.png"),
        ("plain/s3://photos/a%2520b.jpg".to_owned(), "/p/a=2520b.jpg/-/w300.same"),
        ("plain/https://example.com/img/a%2520b.jpg".to_owned(), "/web/a=20b.jpg/-/w300.same"),
        ("plain/s3://photos/a%40b.jpg".to_owned(), "/p/a=40b.jpg/-/w300.same"),
        (long.clone(), "/p/2024/a=20b.jpg/-/w300.same"),
        (format!("{long}.webp"), "/p/2024/a=20b.jpg/-/w300.webp"),
        (format!("{one}/{two}==.jpg"), "/p/2024/a=20b.jpg/-/w300.jpg"),
    ] {
        assert_eq!(read(&format!("/_/w:300/{source}")).as_deref(), Ok(path), "{source}");
    }
    assert_eq!(read("/_/plain/local:///a.jpg").as_deref(), Ok("/a.jpg"));
    assert_eq!(read("/_/w:300/plain/local:///a.jpg?x=1").as_deref(), Ok("/a.jpg/-/w300.same"));
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (target, said) in [
        ("/_/w:300/wm:0.5/plain/local:///a.jpg", "wm=0.5: the option `wm` is not supported"),
        ("/_/rs:auto:300/plain/local:///a.jpg", "resize=auto:300: one of fit"),
        ("/_/rs:fill:300:200:0:1/plain/local:///a.jpg", "extend=1"),
        ("/_/ex:1:no/w:3/plain/local:///a.jpg", "extend=1:no"),
        ("/_/g:no:10:0/plain/local:///a.jpg", "offsets are not supported"),
        ("/_/g:fp:2:0/plain/local:///a.jpg", "a focal point"),
        ("/_/c:10:10:sm/plain/local:///a.jpg", "crop=10:10"),
        ("/_/w:1.5/plain/local:///a.jpg", "width=1.5"),
        ("/_/w:-1/plain/local:///a.jpg", "width=-1"),
        ("/_/el:yes/plain/local:///a.jpg", "enlarge=yes"),
        ("/_/q:101/plain/local:///a.jpg", "q=101"),
        ("/_/f:tiff/plain/local:///a.jpg", "fm=tiff"),
        ("/_/rot:45/plain/local:///a.jpg", "rot=45"),
        ("/_/sm:0/plain/local:///a.jpg", "strip_metadata=0: this is always done"),
        ("/_/pr:a:b/plain/local:///a.jpg", "preset=a:b: too many values"),
        ("/_/pr:none/plain/local:///a.jpg", "there is no such preset"),
        ("/_/bg:1:2/plain/local:///a.jpg", "background=1:2"),
        ("/_/bg:300:0:0/plain/local:///a.jpg", "background=300:0:0"),
        ("/_/w:300/plain/s3://other/a.jpg", "no source of this server begins like that"),
        ("/_/w:300/plain/s3://photos/", "names no picture"),
        ("/_/w:300/plain/s3://photos/../a.jpg", "names no picture"),
        ("/_/w:300/plain/https://example.com/img/a.jpg%3Fx=1", "a query or fragment"),
        ("/_/w:300/enc/abcd", "encrypted"),
        ("/_/w:300/a.jpg", "neither an option"),
        ("/_/w:300/", "no source of this server"),
        ("/_", "an imgproxy URL is"),
        ("/", "an imgproxy URL is"),
        ("//w:1/plain/local:///a.jpg", "an imgproxy URL is"),
    ] {
        let why = read(target).expect_err(target);
        assert!(why.contains(said), "{target}: {why}");
    }
}

#[test]
fn the_documented_signature_is_ours() {
    // docs.imgproxy.net, "Signing the URL", gives this key, salt, path and result.
    let path = "/rs:fill:300:400:0/g:sm/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png";
    let signature = "oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8";
    let rules = front(vec![pair()]);
    let signed = format!("/{signature}{path}");
    let valid = Signature::Valid { key_name: "imgproxy".into(), expires_unix_s: None };
    assert_eq!(verify(&rules, &signed, 0), Ok(valid.clone()));

    let rotated = front(vec![KeyPair { key: b"new".to_vec(), salt: b"er".to_vec() }, pair()]);
    assert_eq!(verify(&rotated, &signed, 0), Ok(valid.clone()));
    let mut short = rules.clone();
    short.imgproxy.as_mut().unwrap().signature_bytes = 8;
    let shortened = URL_SAFE_NO_PAD.encode(&URL_SAFE_NO_PAD.decode(signature).unwrap()[..8]);
    assert_eq!(verify(&short, &format!("/{shortened}{path}"), 0), Ok(valid));

    for wrong in [
        format!("/{shortened}{path}"),
        format!("/unsafe{path}"),
        format!("/{signature}{path}g"),
        format!("/{signature}/w:1{path}"),
    ] {
        assert_eq!(verify(&rules, &wrong, 0).unwrap_err().kind, RefusalKind::Forbidden, "{wrong}");
    }
    assert_eq!(verify(&short, &signed, 0).unwrap_err().kind, RefusalKind::Forbidden, "too long a signature");
}

#[test]
fn what_has_expired_is_refused_where_it_is_signed() {
    let path = "/exp:100/plain/local:///a.jpg";
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(b"secret").unwrap();
    mac.update(b"hello");
    mac.update(path.as_bytes());
    let url = format!("/{}{path}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
    let rules = front(vec![pair()]);
    let valid = Signature::Valid { key_name: "imgproxy".into(), expires_unix_s: Some(100) };
    assert_eq!(verify(&rules, &url, 99), Ok(valid));
    assert_eq!(verify(&rules, &url, 100).unwrap_err().kind, RefusalKind::Expired);

    // Unsigned it binds nobody, as in the primary grammar, and is said to be ignored.
    assert_eq!(verify(&front(vec![]), &url, 100), Ok(Signature::Absent));
    assert_eq!(resolve(&front(vec![]), &url, None, Grant::Public).unwrap().ignored, ["expires"]);
}

#[test]
fn without_a_key_the_policy_holds() {
    let public = |target: &str| resolve(&front(vec![]), target, None, Grant::Public);
    assert_eq!(public("/_/w:290/plain/local:///a.jpg").unwrap().canonical_path, "/a.jpg/-/w300.same");
    assert_eq!(public("/_/w:290/blur:2/plain/local:///a.jpg").unwrap_err().kind, RefusalKind::Forbidden);
}

#[test]
fn below_a_path_the_primary_grammar_stays() {
    let mut rules = front(vec![]);
    rules.imgproxy.as_mut().unwrap().path = "/imgproxy/".into();
    let path = |target: &str| resolve(&rules, target, None, Grant::Signed).unwrap().canonical_path;
    assert_eq!(path("/imgproxy/_/w:300/plain/local:///a.jpg"), "/a.jpg/-/w300.same");
    assert_eq!(path("/a.jpg?w=300"), "/a.jpg/-/w300.same");
    assert_eq!(path("/imgproxy.jpg?w=300"), "/imgproxy.jpg/-/w300.same");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let mut rules = front(vec![KeyPair { key: vec![], salt: vec![] }]);
    let imgproxy = rules.imgproxy.as_mut().unwrap();
    (imgproxy.path, imgproxy.signature_bytes) = ("imgproxy".into(), 7);
    imgproxy.mappings.push(Mapping { url: "photos".into(), prefix: String::new() });
    let mistakes = rules.validate().unwrap_err();
    let keys: Vec<_> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    assert_eq!(keys, ["imgproxy.path", "imgproxy.signature_bytes", "imgproxy.keys", "imgproxy.sources"]);
}

#[test]
fn every_option_that_is_listed_is_read() {
    for (long, short) in options::KNOWN {
        for name in short.iter().chain([long]) {
            // A value that no option takes: refused for the value, not for the name.
            let why = read(&format!("/_/{name}:!:!:!:!:!/plain/local:///a.jpg")).unwrap_or_default();
            assert!(!why.contains("is not supported here"), "{name}: {why}");
        }
    }
}

proptest! {
    #[test]
    fn no_url_panics(rest in "[!-~]{0,60}", options in "([a-z]{1,3}:[0-9a-z.:]{0,12}/){0,4}") {
        let _ = read(&format!("/{rest}"));
        let _ = read(&format!("/_/{options}plain/local:///{rest}"));
        let _ = verify(&front(vec![pair()]), &format!("/{rest}"), 0);
    }

    #[test]
    fn any_change_of_a_signed_url_is_refused(at in 45usize..110, byte in b'!'..=b'~') {
        let path = "/rs:fill:300:400:0/g:sm/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png";
        let mut url = format!("/oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8{path}").into_bytes();
        prop_assume!(at < url.len() && url[at] != byte && byte != b'?');
        url[at] = byte;
        prop_assert!(verify(&front(vec![pair()]), std::str::from_utf8(&url).unwrap(), 0).is_err());
    }
}
