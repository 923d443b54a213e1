//! Signatures: what imgix's client writes is accepted, and nothing else is.

use afterimage_variant::{RefusalKind, Rules, Scheme, Signature, SigningKey, sign, verify};
use proptest::prelude::*;

fn key(name: &str, secret: &str, scheme: Scheme) -> SigningKey {
    SigningKey { name: name.into(), secret: secret.as_bytes().to_vec(), scheme }
}

fn rules() -> Rules {
    let keys = vec![
        key("new", "a secret of more than sixteen bytes", Scheme::HmacSha256),
        key("old", "an older secret, also long enough", Scheme::HmacSha256),
        key("imgix", "FOO123bar", Scheme::ImgixMd5),
    ];
    let rules = Rules { keys, ..Rules::default() };
    rules.validate().unwrap();
    rules
}

fn valid(name: &str, expires_unix_s: Option<u64>) -> Result<Signature, RefusalKind> {
    Ok(Signature::Valid { key_name: name.into(), expires_unix_s })
}

fn verified(target: &str, now: u64) -> Result<Signature, RefusalKind> {
    verify(&rules(), target, now).map_err(|refusal| refusal.kind)
}

/// Written by @imgix/js-core 3.8.0 with the token FOO123bar.
#[test]
fn what_imgix_clients_sign_is_valid() {
    for (target, expires) in [
        (
            "/%EC%82%AC%EC%A7%84/a%20b%2Bc~'(1).jpg?ixlib=js-3.8.0&w=400&txt=a%20b%2Bc&txt64=SSBjYW5uw7h0IGJlbMOuw6l24oiRIGl0IHdvcvCdm4xzISDwn5ix&fm=webp&ar=16%3A9&rect=0%2C0%2C10%2C10&bg=%23ff0&s=053a26bd291cfbc7a898b5eb8c6e84f2",
            None,
        ),
        ("/a.jpg?ixlib=js-3.8.0&s=a64f09e1b4f9f36b95510247ffb1b6d8", None),
        ("/a.jpg?ixlib=js-3.8.0&w=100&expires=1600000000&s=9aa71a042081af79cbf3459e1c23b3cd", Some(1_600_000_000)),
        ("/http%3A%2F%2Fx.com%2Fa%20b.jpg?ixlib=js-3.8.0&w=100&s=b7e02dda55e01b74edd893cd1a462459", None),
        ("/a.jpg?ixlib=js-3.8.0&w=100&dpr=2&q=50&s=3711bd350b4e130574c35744fdcc735f", None),
    ] {
        assert_eq!(verified(target, 1_500_000_000), valid("imgix", expires), "{target}");
    }
}

/// `printf 'afterimage-url-v1\n/a.jpg?w=300' | openssl dgst -sha256 -hmac 'a secret of more than sixteen bytes'`
#[test]
fn the_hmac_is_what_openssl_computes() {
    let signed = "/a.jpg?w=300&s=f40bc2b0d58c1b7ed38f1cb00218a46cca616d3a029c14f18baf2312ab283362";
    assert_eq!(sign(&rules().keys[0], "/a.jpg?w=300"), signed);
    assert_eq!(verified(signed, 0), valid("new", None));
    assert_eq!(verified("/a.jpg?w=300&s=9AvCsNWMG37TjxywAhikbMphbToCnBTxi68jEqsoM2I", 0), valid("new", None));
}

#[test]
fn every_key_signs_and_is_named() {
    for key in &rules().keys {
        for target in ["/a.jpg", "/a.jpg?w=300", "/a.jpg?", "/a.jpg?w=1&", "/a.jpg/-/w300.webp"] {
            let signed = sign(key, target);
            assert_eq!(verified(&signed, 0), valid(&key.name, None), "{signed}");
        }
    }
    let stranger = key("x", "another secret of sixteen bytes", Scheme::HmacSha256);
    assert_eq!(verified(&sign(&stranger, "/a.jpg"), 0), Err(RefusalKind::Forbidden));
    let none = Rules::default();
    assert_eq!(verify(&none, &sign(&stranger, "/a.jpg"), 0).unwrap_err().kind, RefusalKind::Forbidden);
}

#[test]
fn expiry_is_exact_and_bounded() {
    let key = &rules().keys[0];
    let signed = sign(key, "/a.jpg?w=300&expires=1000");
    assert_eq!(verified(&signed, 999), valid("new", Some(1_000)));
    assert_eq!(verified(&signed, 1_000), Err(RefusalKind::Expired));
    assert_eq!(verified(&sign(key, "/a.jpg?expires64=MTAwMA"), 1_000), Err(RefusalKind::Expired));
    for bad in ["", "x", "-1", "1.5", "999999999999", "1&expires=2"] {
        assert_eq!(verified(&sign(key, &format!("/a.jpg?expires={bad}")), 0), Err(RefusalKind::BadRequest), "{bad}");
    }
    // Another's signature does not tell whether the time has passed.
    assert_eq!(verified("/a.jpg?expires=1&s=00", 1_000), Err(RefusalKind::Forbidden));
}

#[test]
fn the_signature_is_last_and_alone() {
    let signed = sign(&rules().keys[0], "/a.jpg?w=300");
    let (target, signature) = signed.split_once("&s=").unwrap();
    for (form, kind) in [
        (format!("/a.jpg?s={signature}&w=300"), RefusalKind::BadRequest),
        (format!("{signed}&h=5"), RefusalKind::BadRequest),
        (format!("{signed}&"), RefusalKind::BadRequest),
        (format!("{signed}&s={signature}"), RefusalKind::BadRequest),
        (format!("{target}&%73={signature}"), RefusalKind::BadRequest),
        (format!("{target}&s64={signature}"), RefusalKind::BadRequest),
        (format!("{target}&s"), RefusalKind::BadRequest),
        (format!("{target}&s="), RefusalKind::Forbidden),
        (format!("{target}&s={}", signature.to_uppercase()), RefusalKind::Forbidden),
        (format!("{target}&s={signature}="), RefusalKind::Forbidden),
        (format!("{target}&s=%{signature}"), RefusalKind::Forbidden),
        (format!("{target}&&s={signature}"), RefusalKind::Forbidden),
        (format!("//a.jpg?w=300&s={signature}"), RefusalKind::Forbidden),
        (format!("/%61.jpg?w=300&s={signature}"), RefusalKind::Forbidden),
        (format!("{target}&s={signature}\n"), RefusalKind::BadRequest),
        (format!("{target}é&s={signature}"), RefusalKind::BadRequest),
        (format!("{target} &s={signature}"), RefusalKind::BadRequest),
    ] {
        assert_eq!(verified(&form, 0), Err(kind), "{form:?}");
    }
    for unsigned in ["/a.jpg", "/a.jpg?w=300", "/a.jpg?ss=1&w=300&xs=2", "/s=1", "/a.jpg?"] {
        assert_eq!(verified(unsigned, 0), Ok(Signature::Absent), "{unsigned}");
    }
}

/// What people try by hand: the same words in another order, form or place, under a signature that was somebody's.
#[test]
fn no_rewritten_target_is_accepted() {
    let rules = rules();
    let (path, parameters) = ("/p/a%20b.jpg", ["w=300", "h=200", "fit=crop", "expires=2000000000"]);
    for key in &rules.keys {
        let target = format!("{path}?{}", parameters.join("&"));
        let signed = sign(key, &target);
        let signature = &signed[target.len()..];
        let mut tried = Vec::new();
        for at in 0..parameters.len() {
            // One parameter left out; one in another place; one twice.
            for to in 0..=parameters.len() {
                let mut twice = parameters.to_vec();
                twice.insert(to, parameters[at]);
                tried.push(format!("{path}?{}", twice.join("&")));
                let mut moved = parameters.to_vec();
                let one = moved.remove(at);
                tried.push(format!("{path}?{}", moved.join("&")));
                moved.insert(to.min(moved.len()), one);
                tried.push(format!("{path}?{}", moved.join("&")));
            }
        }
        for (at, byte) in target.char_indices() {
            let (before, after) = (&target[..at], &target[at + 1..]);
            // Encoded, encoded twice, in another case; the border of path and query somewhere else; something between.
            tried.extend([
                format!("{before}%{:02x}{after}", byte as u32),
                format!("{before}%{:02X}{after}", byte as u32),
                format!("{before}%25{:02X}{after}", byte as u32),
                format!("{before}{}{after}", byte.to_ascii_uppercase()),
                format!("{before}?{after}"),
                format!("{before}&{after}"),
                format!("{before}/{after}"),
                format!("{before}/.{byte}{after}"),
                format!("{before}{byte}%00{after}"),
                format!("{before}{byte}+{after}"),
            ]);
        }
        tried.retain(|text| *text != target);
        tried.iter_mut().for_each(|text| text.push_str(signature));
        // The right words with a signature of something else, of nobody, or in another form.
        let other = sign(key, "/p/other.jpg?w=300");
        let nobody = SigningKey { secret: Vec::new(), ..key.clone() };
        let schemes = [Scheme::HmacSha256, Scheme::ImgixMd5].map(|scheme| SigningKey { scheme, ..key.clone() });
        let digest = &signature[3..];
        tried.push(format!("{target}&s={}", other.rsplit("s=").next().unwrap()));
        tried.push(sign(&nobody, &target));
        tried.extend(schemes.iter().filter(|other| other.scheme != key.scheme).map(|other| sign(other, &target)));
        tried.extend([
            format!("{target}&s={}", &digest[..digest.len() / 2]),
            format!("{target}&s={digest}{digest}"),
            format!("{target}&s={}", "0".repeat(digest.len())),
        ]);
        assert!(tried.len() > 400, "only {}", tried.len());
        for text in tried {
            let found = verify(&rules, &text, 0);
            assert!(!matches!(found, Ok(Signature::Valid { .. })), "{text} was accepted");
        }
        assert!(matches!(verify(&rules, &signed, 0), Ok(Signature::Valid { .. })));
    }
}

/// A stranger can lengthen `MD5(token + text)`, but only with the padding's bytes in the middle, which no target may hold.
#[test]
fn lengthened_md5_targets_are_refused() {
    for glue in ["\u{80}", "\0", "\u{7f}", "%80\0"] {
        assert_eq!(
            verified(&format!("/a.jpg?w=300{glue}&w=4&s=00000000000000000000000000000000"), 0),
            Err(RefusalKind::BadRequest)
        );
    }
}

#[test]
fn secrets_do_not_print() {
    let text = format!("{:?}", rules());
    assert!(text.contains("imgix") && !text.contains("FOO123bar") && !text.contains("70, 79, 79"), "{text}");
}

/// 2,000 changed targets are tried, 100,000 with `AFTERIMAGE_LONG=1`; none is accepted.
#[test]
fn no_changed_target_is_accepted() {
    let cases = if std::env::var_os("AFTERIMAGE_LONG").is_some_and(|long| long == "1") { 100_000 } else { 2_000 };
    let rules = rules();
    let targets: Vec<String> = rules
        .keys
        .iter()
        .flat_map(|key| {
            ["/p/a.jpg", "/p/a%20b.jpg?w=300&fit=crop", "/a.jpg?expires=2000000000&w=1"].map(|target| sign(key, target))
        })
        .chain(["/a.jpg?w=300&s=9AvCsNWMG37TjxywAhikbMphbToCnBTxi68jEqsoM2I".to_owned()])
        .collect();
    let mutation =
        (0..targets.len(), 0..6u8, any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), 0x21..0x7fu8);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases, ..ProptestConfig::default() });
    let outcome = runner.run(&mutation, |(which, how, at, other, byte)| {
        let original = targets[which].as_bytes();
        let mut bytes = original.to_vec();
        let (at, other) = (at.index(bytes.len()), other.index(bytes.len()));
        match how {
            0 => bytes[at] = byte,
            1 => bytes[at] ^= 1 << (byte % 7),
            2 => bytes.insert(at, byte),
            3 => drop(bytes.remove(at)),
            4 => bytes.swap(at, other),
            _ => bytes.truncate(at),
        }
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(()) };
        if bytes != original {
            let accepted = matches!(verify(&rules, text, 0), Ok(Signature::Valid { .. }));
            prop_assert!(!accepted, "{text}");
        }
        Ok(())
    });
    outcome.unwrap();
}

proptest! {
    #[test]
    fn no_target_panics(target in "\\PC{0,60}", tail in "[ -~]{0,60}") {
        let _ = verify(&rules(), &target, 0);
        let _ = verify(&rules(), &format!("/a?{tail}&s={target}"), 0);
    }

    #[test]
    fn what_is_signed_is_valid(path in "/[!-\"$->@-~]{0,40}", query in proptest::option::of("w=[0-9]{1,3}(&h=[0-9]{1,3})?"), at in 0..3usize) {
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let key = &rules().keys[at];
        prop_assert_eq!(verified(&sign(key, &target), 0), valid(&key.name, None));
    }
}
