//! Where nobody may be led: by a URL, by a name, by a name that changes its mind, or by a redirect. A canary listens on the
//! forbidden addresses and must see nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use afterimage_identity::BoxFuture;
use afterimage_origin::{Addresses, Cidr, Config, Error, Origin, Resolve};
use afterimage_testkit::{Upstream, answer};
use proptest::prelude::*;

use crate::support::{Machine, config, get, whole};

/// Forbidden unless allowed, one of each kind and the ends of its range.
const FORBIDDEN: [&str; 64] = [
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.0",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.254",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::",
    "64:ff9b::127.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002::",
    "2002:7f00:1::1",
    "2002:ffff::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ffff::1",
];

/// Public, just outside of the ranges.
const PUBLIC: [&str; 26] = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.101.0",
    "203.0.114.0",
    "223.255.255.255",
    "168.63.129.17",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2600::1",
    "3ffe::1",
];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn the_table_of_addresses() {
    let addresses = Addresses::default();
    for text in FORBIDDEN {
        let forbidden = addresses.check(ip(text)).expect_err(text);
        assert_eq!(forbidden.address, ip(text));
        assert!(!forbidden.kind.is_empty());
        let allowed = Addresses { allow: vec![text.parse().expect("a range of one")] };
        assert_eq!(allowed.check(ip(text)), Ok(()), "{text} may be allowed");
    }
    for text in PUBLIC {
        assert_eq!(addresses.check(ip(text)), Ok(()), "{text}");
    }
}

#[test]
fn ranges_are_read_strictly() {
    for (range, inside, outside) in [
        ("127.0.0.0/8", "127.255.255.255", "128.0.0.0"),
        ("10.1.2.3/32", "10.1.2.3", "10.1.2.4"),
        ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
        ("10.1.2.3/24", "10.1.2.255", "10.1.3.0"),
        ("fd00::/8", "fdff::", "fc00::"),
        ("::1/128", "::1", "::2"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("::/0", "ffff::", "127.0.0.1"),
    ] {
        let cidr: Cidr = range.parse().expect(range);
        assert!(cidr.contains(ip(inside)), "{range} {inside}");
        assert!(!cidr.contains(ip(outside)), "{range} {outside}");
    }
    for wrong in [
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/+8",
        "10.0.0/8",
        "010.0.0.0/8",
        "x",
        "10.0.0.0/8/8",
        "1.2.3.4/-1",
        " 1.2.3.4",
    ] {
        assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// The standard library's own opinion, where it has one, is never looser than ours.
    #[test]
    fn nothing_that_the_standard_library_calls_special_passes(bits: u32) {
        let address = Ipv4Addr::from_bits(bits);
        let special = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_broadcast()
            || address.is_documentation() || address.is_multicast() || address.is_unspecified();
        prop_assert!(!special || Addresses::default().check(address.into()).is_err());
    }

    /// However an IPv4 address is embedded in IPv6, it does not pass, be it public or not.
    #[test]
    fn no_embedded_address_passes(bits: u32, low: u16) {
        let v4 = Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = v4.octets();
        let (high, under) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        for address in [
            v4.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, under),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, under),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, under),
            Ipv6Addr::new(0x64, 0xff9b, 1, low, 0, 0, high, under),
            Ipv6Addr::new(0x2002, high, under, low, 0, 0, 0, low),
            Ipv6Addr::new(0x2001, 0, high, under, low, low, !high, !under),
        ] {
            prop_assert!(Addresses::default().check(address.into()).is_err(), "{}", address);
        }
    }

    /// Outside of 2000::/3 nothing passes, and an allowed range lets through what is in it and nothing else.
    #[test]
    fn allowed_means_in_the_range(bits: u128, network: u128, size in 0u8..=128) {
        let address = IpAddr::V6(Ipv6Addr::from_bits(bits));
        if bits >> 125 != 1 {
            prop_assert!(Addresses::default().check(address).is_err());
        }
        let range: Cidr = format!("{}/{size}", Ipv6Addr::from_bits(network)).parse().expect("a range");
        let addresses = Addresses { allow: vec![range] };
        let inside = size == 0 || bits >> (128 - size) == network >> (128 - size);
        prop_assert_eq!(range.contains(address), inside);
        prop_assert_eq!(addresses.check(address).is_ok(), inside || Addresses::default().check(address).is_ok());
    }

    /// No text is an origin whose host was read as an address that nobody checked.
    #[test]
    fn no_url_panics_and_none_hides_an_address(text in "(https?://)?[0-9a-fx.:@\\[\\]%]{0,24}/?") {
        if let Err(mistakes) = Origin::new(config(&text), Arc::new(Machine::default())) {
            prop_assert!(mistakes.iter().all(|mistake| !mistake.remedy.is_empty()));
        }
    }
}

/// Spellings that some reader takes for an address, and URLs that say something else than they seem to.
#[test]
fn odd_spellings_are_refused_by_the_configuration() {
    for url in [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.01/",
        "http://0x7f.0x0.0x0.0x1/",
        "http://127.0.0.1./",
        "http://localhost./",
        "http://1.1.1.1.1/",
        "http://256.1.1.1/",
        "http://a.0x/",
        "http://a.0x1f/",
        "http://a.1/",
        "http://user@127.0.0.1/",
        "http://user:pw@example.com/",
        "http://example.com@127.0.0.1/",
        "http://[::1/",
        "http://[::1%25lo]/",
        "http://[::1%lo]/",
        "http://::1/",
        "http://[127.0.0.1]/",
        "http://exa%6dple.com/",
        "http://ｅxample.com/",
        "http://①②⑦.0.0.1/",
        "http://127。0。0。1/",
        "http://a..b/",
        "http:///",
        "http://",
        "http:/a/",
        "file:///etc/",
        "ftp://example.com/",
        "gopher://example.com/",
        "//example.com/",
        "example.com/",
        "",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:+80/",
        "http://example.com:/",
        "http://example.com/a",
        "http://example.com/a/../b/",
        "http://example.com/%2e%2e/",
        "http://example.com/?a/",
        "http://example.com/#/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com/a b/",
        "http://exam\tple.com/",
        "http://example.com/\r\nHost: x/",
    ] {
        // Even where every address is allowed.
        let allow = vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()];
        let mistakes =
            Origin::new(Config { url: url.into(), allow, ..Config::default() }, Arc::new(Machine::default()));
        let mistakes = mistakes.err().unwrap_or_else(|| panic!("{url} was taken"));
        assert_eq!((mistakes.len(), mistakes[0].key), (1, "url"), "{mistakes:?}");
    }
}

#[test]
fn addresses_in_the_configuration_are_checked_at_once() {
    for text in FORBIDDEN {
        let url = if ip(text).is_ipv4() { format!("http://{text}/") } else { format!("http://[{text}]:8080/") };
        let mistakes =
            Origin::new(Config { url, ..Config::default() }, Arc::new(Machine::default())).err().expect(text);
        assert!(mistakes[0].remedy.contains("allow"), "{mistakes:?}");
    }
}

#[test]
fn every_mistake_is_named_at_once_and_secrets_are_not_repeated() {
    let mistakes = Origin::new(
        Config {
            url: "https//x".into(),
            host: Some("a b".into()),
            headers: vec![
                ("Host".into(), "x".into()),
                ("A".into(), "se\ncret".into()),
                ("Transfer-Encoding".into(), "x".into()),
            ],
            allow: vec!["10.0.0.0/99".into()],
            redirect_hosts: vec!["http://x".into(), "x:8080".into(), "127.1".into()],
            ..Config::default()
        },
        Arc::new(Machine::default()),
    );
    let mistakes = mistakes.err().expect("mistakes");
    let keys: Vec<_> = mistakes.iter().map(|mistake| mistake.key).collect();
    assert_eq!(
        keys,
        ["allow", "url", "host", "headers", "headers", "headers", "redirect_hosts", "redirect_hosts", "redirect_hosts"]
    );
    assert!(!format!("{mistakes:?}").contains("cret"));
}

/// Says something else each time it is asked.
struct Alternating {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Resolve for Alternating {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let turn = self.asked.fetch_add(1, SeqCst);
        Box::pin(async move { Ok(self.answers[turn % self.answers.len()].clone()) })
    }
}

fn alternating(answers: &[&[&str]], port: u16, allow: &[&str]) -> Origin {
    let answers = answers.iter().map(|turn| turn.iter().map(|text| ip(text)).collect()).collect();
    let resolver = Arc::new(Alternating { answers, asked: AtomicUsize::new(0) });
    let config = Config {
        allow: allow.iter().map(|range| (*range).to_owned()).collect(),
        ..config(&format!("http://pictures.example:{port}/"))
    };
    Origin::with_resolver(config, Arc::new(Machine::default()), resolver).expect("a configuration that works")
}

/// DNS rebinding: the name is good when it is looked at and bad when it is connected to, and the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_its_mind_reaches_no_forbidden_address() {
    let good = Upstream::start(|_| {
        [answer(200, &[("Connection", "close")], b"good"), vec![afterimage_testkit::Step::Close]].concat()
    });
    let canary = Upstream::at(SocketAddr::from(([127, 0, 0, 2], good.address.port())), |_| answer(200, &[], b"secret"));
    let origin = alternating(
        &[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.2", "127.0.0.1"]],
        good.address.port(),
        &["127.0.0.1/32"],
    );
    for turn in 0..30 {
        let found = whole(&origin, get("/")).await;
        match turn % 3 {
            1 => assert!(matches!(found, Err(Error::Forbidden(_))), "{turn}: {found:?}"),
            // The second of two addresses is as good as the first, if it is allowed.
            _ => assert_eq!(&found.expect("an answer").body[..], b"good", "{turn}"),
        }
    }
    assert_eq!(canary.connections(), 0, "the canary saw a connection");
}

/// Whatever the resolver says, an address that is not allowed is not connected to.
#[tokio::test(flavor = "multi_thread")]
async fn forbidden_addresses_behind_names_are_never_connected_to() {
    let canary = Upstream::at(SocketAddr::from(([0, 0, 0, 0], 0)), |_| answer(200, &[], b"secret"));
    for text in FORBIDDEN {
        let origin = alternating(&[&[text]], canary.address.port(), &[]);
        let error = whole(&origin, get("/")).await.expect_err(text);
        assert!(matches!(&error, Error::Forbidden(forbidden) if forbidden.address == ip(text)), "{text}: {error:?}");
    }
    assert_eq!(canary.connections(), 0, "the canary saw a connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_without_addresses_are_errors() {
    let origin = alternating(&[&[]], 80, &[]);
    assert!(matches!(whole(&origin, get("/")).await, Err(Error::Resolve(_))));
}
