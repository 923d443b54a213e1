//! Originals over https: who is believed, and who is not.

use afterimage_testkit::{get, picture, size_of};

use crate::world::{Serving, authority, start};

const SETTINGS: [&str; 2] = ["origin.allow=127.0.0.1/32", "origin.failures_max=0"];

/// One picture, whatever is asked for.
fn serve(head: &str, _: &[u8]) -> Vec<u8> {
    let body = picture("museum.jpg");
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"1\"\r\n\r\n", body.len()).into_bytes();
    if !head.starts_with("HEAD ") {
        answer.extend(body);
    }
    answer
}

#[test]
fn only_a_server_that_proves_its_name_is_believed() {
    let (ours, issuer) = authority();
    let (theirs, _) = authority();
    let address = start(&issuer, serve);
    let home = tempfile::tempdir().expect("a folder");
    let [our_file, their_file] = [("ours.pem", ours), ("theirs.pem", theirs)].map(|(name, pem)| {
        let file = home.path().join(name);
        std::fs::write(&file, pem).expect("a new file");
        file
    });
    let by_name = format!("https://localhost:{}/", address.port());
    let by_address = format!("https://127.0.0.1:{}/", address.port());
    let in_plain = format!("http://localhost:{}/", address.port());
    for (name, url, trusted, status) in [
        ("trusted", &by_name, &our_file, 200),
        ("an authority that is not trusted", &by_name, &their_file, 503),
        ("another name than the certificate's", &by_address, &our_file, 503),
        ("no TLS where TLS is spoken", &in_plain, &our_file, 503),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Serving::start(folder.path(), url, trusted, &SETTINGS);
        let found = get(&server.base, "/a.jpg?w=400");
        assert_eq!(found.status, status, "{name}: {}", found.text());
        if status == 200 {
            assert_eq!(size_of(&found.body), Some(("jpg", 400, 300)), "{name}");
        }
    }
}
