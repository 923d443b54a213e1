//! Certificates and keys in files: what a start refuses, and what becomes of connections when the files change.

use std::os::unix::fs::symlink;

use afterimage_testkit::{Server, run};
use tokio_rustls::rustls::ALL_VERSIONS;

use crate::PICTURE;
use crate::client::{BINARY, Pki, ask, connect, hang_up, log, metric, set, shown, until};

/// What `check-config` says of two files with these texts.
fn checked(pki: &Pki, certificate: &str, key: &str) -> (Option<i32>, String) {
    set(&pki.path("certificate.pem"), certificate);
    set(&pki.path("key.pem"), key);
    let mut arguments = vec!["check-config".to_owned()];
    arguments.extend(pki.settings("server"));
    let output = run(BINARY, pki.folder.path(), &arguments);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_cannot_be_shown_is_refused_with_file_and_remedy() {
    let pki = Pki::new();
    let (pair, other) = (pki.pair(2999), pki.pair(2999));
    let chain = format!("{}{}", pair.certificate, pki.root.pem());
    let backwards = format!("{}{}", pki.root.pem(), pair.certificate);
    let cut = &pair.certificate[..pair.certificate.len() - 40];
    let garbled = pair.certificate.replace("MII", "???");
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let large = "x".repeat((1 << 20) + 1);
    for (certificate, key, setting, words) in [
        ("", &*pair.key, "certificate", "is empty"),
        ("hello", &pair.key, "certificate", "holds no -----BEGIN CERTIFICATE-----"),
        (&large, &pair.key, "certificate", "more than 1 MiB"),
        (cut, &pair.key, "certificate", "ends in the middle"),
        (&garbled, &pair.key, "certificate", "no base64"),
        (no_certificate, &pair.key, "certificate", "its first certificate cannot be used"),
        (&pair.key, &pair.key, "certificate", "are the two settings swapped?"),
        (&backwards, &pair.key, "certificate", "its order is wrong"),
        (&chain, "", "key", "is empty"),
        (&chain, "hello", "key", "holds no -----BEGIN PRIVATE KEY-----"),
        (&chain, &chain, "key", "are the two settings swapped?"),
        (&chain, locked, "key", "openssl pkey -in"),
        (&chain, no_key, "key", "cannot be used"),
        (&chain, &other.key, "key", "is not the key of the certificate in"),
    ] {
        let (code, said) = checked(&pki, certificate, key);
        let file = pki.path(&format!("{setting}.pem"));
        assert_eq!(code, Some(3), "{words}: {said}");
        assert!(said.contains(&format!("server.tls_{setting} = \"{}\"", file.display())), "{words}: {said}");
        assert!(said.contains(words), "{words}: {said}");
        assert!(!said.contains(pair.key.lines().nth(1).expect("a line")), "a key was shown: {said}");
    }
    assert_eq!(checked(&pki, &chain, &pair.key).0, Some(0));
    std::fs::remove_file(pki.path("key.pem")).expect("removed");
    let arguments = [vec!["check-config".to_owned()], pki.settings("admin")].concat();
    let output = run(BINARY, pki.folder.path(), &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(3) && said.contains("admin.tls_key") && said.contains("cannot be read"),
        "{said}"
    );
    let alone = run(BINARY, pki.folder.path(), &["check-config", "--set", "server.tls_key=/k.pem"]);
    let said = String::from_utf8_lossy(&alone.stderr);
    assert!(
        alone.status.code() == Some(3) && said.contains("without server.tls_certificate there is no TLS"),
        "{said}"
    );
}

#[test]
fn a_certificate_that_has_ended_is_shown_with_a_warning() {
    let pki = Pki::new();
    pki.write(&pki.pair(2020));
    let server = pki.serve(&[]);
    assert!(log(&server).contains("clients will not accept the certificate: it ended 2020-12-31"), "{}", log(&server));
    let ended = metric(&server.admin, "afterimage_tls_certificate_end_seconds{listener=\"pictures\"}");
    assert_eq!(ended, 1_609_372_800);
    assert!(connect(&server.base, &pki.client(&[], ALL_VERSIONS)).is_err(), "a client accepted it");
}

/// Whether new connections are shown this.
fn shows(pki: &Pki, server: &Server, pair: &crate::client::Pair) -> bool {
    let stream = connect(&server.base, &pki.client(&["http/1.1"], ALL_VERSIONS)).expect("a handshake");
    shown(&stream) == pair.der
}

#[test]
fn a_new_certificate_is_shown_to_new_connections_and_a_broken_one_to_nobody() {
    let pki = Pki::new();
    let (first, second, third) = (pki.pair(2998), pki.pair(2997), pki.pair(2996));
    pki.write(&first);
    let server = pki.serve(&[]);
    let mut standing = connect(&server.base, &pki.client(&["http/1.1"], ALL_VERSIONS)).expect("a handshake");
    assert_eq!((ask(&mut standing, PICTURE).expect("an answer"), shown(&standing)), (200, first.der.clone()));

    pki.write(&second);
    hang_up(&server);
    until("the new one is shown", || shows(&pki, &server, &second));
    assert_eq!(ask(&mut standing, PICTURE).expect("the connection stands"), 200);

    let refused = || metric(&server.admin, "afterimage_tls_certificates_refused_total{listener=\"pictures\"}");
    set(&pki.path("key.pem"), &third.key);
    hang_up(&server);
    until("it is said", || refused() > 0);
    assert!(log(&server).contains("is not the key of the certificate in"), "{}", log(&server));
    assert!(shows(&pki, &server, &second), "a broken pair took the place of a good one");
    std::fs::remove_file(pki.path("certificate.pem")).expect("removed");
    hang_up(&server);
    until("it is said", || log(&server).contains("cannot be read"));
    assert!(shows(&pki, &server, &second), "a missing file took the place of a good one");

    pki.write(&third);
    hang_up(&server);
    until("the good one is shown", || shows(&pki, &server, &third));
    assert_eq!(ask(&mut standing, PICTURE).expect("the connection stands"), 200);
}

/// As Kubernetes mounts a secret: the files are links into a folder that is itself a link, and that one is swapped.
#[test]
fn files_that_change_are_noticed_without_a_word() {
    let pki = Pki::new();
    let (first, second) = (pki.pair(2998), pki.pair(2997));
    for (folder, pair) in [("one", &first), ("two", &second)] {
        std::fs::create_dir(pki.path(folder)).expect("a new folder");
        set(&pki.path(folder).join("certificate.pem"), &pair.certificate);
        set(&pki.path(folder).join("key.pem"), &pair.key);
    }
    symlink("one", pki.path("..data")).expect("a link");
    for name in ["certificate.pem", "key.pem"] {
        std::fs::remove_file(pki.path(name)).expect("removed");
        symlink(format!("..data/{name}"), pki.path(name)).expect("a link");
    }
    let server = pki.serve(&[]);
    assert!(shows(&pki, &server, &first));
    symlink("two", pki.path("..new")).expect("a link");
    std::fs::rename(pki.path("..new"), pki.path("..data")).expect("swapped");
    until("the new one is shown", || shows(&pki, &server, &second));
    // Half of a swap is no mistake until it stays.
    let third = pki.pair(2996);
    set(&pki.path("two").join("key.pem"), &third.key);
    let refused = || metric(&server.admin, "afterimage_tls_certificates_refused_total{listener=\"pictures\"}");
    until("it is said", || refused() == 1);
    set(&pki.path("two").join("certificate.pem"), &third.certificate);
    until("the whole pair is shown", || shows(&pki, &server, &third));
    assert_eq!(refused(), 1);
}
