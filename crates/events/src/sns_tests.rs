//! Envelopes signed as SNS signs them, with a key and a certificate of our own.

use afterimage_identity::{Event, NotTaken, SourceId, Take};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

use super::*;
use crate::dialect::{BODY_BYTES_MAX, EnvelopeKind};
use crate::{Delivery, Intake, Originals, Place, Places, Webhook};

const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:pictures";
const CERTIFICATE: &str = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123.pem";
const MESSAGE: &str = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"img"},"object":{"key":"a.jpg"}}}]}"#;
/// Made once with `openssl req -x509`: key, certificate, and its signature with SHA-1, which no library makes any more.
const KEY_PEM: &str = include_str!("sns_tests/key.pem");
const CERTIFICATE_PEM: &str = include_str!("sns_tests/certificate.pem");
const SHA1_SIGNATURE: &str = include_str!("sns_tests/notification.sha1");

/// A server of SNS that counts what it is asked.
#[derive(Default)]
struct Server {
    asked: Mutex<Vec<String>>,
    is_away: AtomicUsize,
}

impl Fetch for Server {
    fn get<'a>(&'a self, host: &'a str, target: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        self.asked.lock().unwrap().push(format!("{host}{target}"));
        let is_away = self.is_away.load(Ordering::SeqCst) > 0;
        Box::pin(async move { if is_away { Err("no answer".to_owned()) } else { Ok(CERTIFICATE_PEM.into()) } })
    }
}

fn envelope(kind: EnvelopeKind) -> Envelope {
    let subscription = kind != EnvelopeKind::Notification;
    let url = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t";
    Envelope {
        kind,
        topic_arn: TOPIC.to_owned(),
        message_id: "m-1".to_owned(),
        message: MESSAGE.to_owned(),
        timestamp: "2026-01-02T03:04:05.678Z".to_owned(),
        subject: Some("Amazon S3 Notification".to_owned()),
        token: subscription.then(|| "t".to_owned()),
        subscribe_url: subscription.then(|| url.to_owned()),
        signature_version: Some("2".to_owned()),
        signature: None,
        signing_cert_url: Some(CERTIFICATE.to_owned()),
    }
}

fn signed(mut envelope: Envelope) -> Envelope {
    use rustls_pki_types::PrivatePkcs8KeyDer;
    let der = PrivatePkcs8KeyDer::from_pem_slice(KEY_PEM.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), envelope.signed_text().as_bytes(), &mut signature).unwrap();
    envelope.signature = Some(STANDARD.encode(signature));
    envelope
}

fn topics() -> (Topics, Arc<Server>) {
    let server = Arc::new(Server::default());
    (Topics::new(vec![TOPIC.to_owned()], server.clone()), server)
}

#[test]
fn the_signed_words_are_as_documented() {
    let text = envelope(EnvelopeKind::Notification).signed_text();
    let names: Vec<&str> = text.lines().step_by(2).collect();
    assert_eq!(names, ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]);
    let without = Envelope { subject: None, ..envelope(EnvelopeKind::Notification) }.signed_text();
    assert!(!without.contains("Subject"));
    let text = envelope(EnvelopeKind::SubscriptionConfirmation).signed_text();
    let names: Vec<&str> = text.lines().step_by(2).collect();
    assert_eq!(names, ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]);
}

#[tokio::test]
async fn signatures_of_both_versions_hold_and_the_certificate_is_fetched_once() {
    let (topics, server) = topics();
    let second = signed(envelope(EnvelopeKind::Notification));
    let first = Envelope {
        signature_version: Some("1".into()),
        signature: Some(SHA1_SIGNATURE.trim().into()),
        ..envelope(EnvelopeKind::Notification)
    };
    for envelope in [second, first, signed(envelope(EnvelopeKind::SubscriptionConfirmation))] {
        assert_eq!(topics.check(&envelope).await, Ok(()), "{envelope:?}");
    }
    assert_eq!(server.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn whatever_is_changed_is_not_believed() {
    type Change = fn(&mut Envelope);
    let changes: [(&str, Change); 12] = [
        ("message", |envelope| envelope.message.push(' ')),
        ("id", |envelope| envelope.message_id.push('x')),
        ("subject", |envelope| envelope.subject = None),
        ("time", |envelope| envelope.timestamp.push('x')),
        ("kind", |envelope| envelope.kind = EnvelopeKind::UnsubscribeConfirmation),
        ("topic", |envelope| envelope.topic_arn.push('2')),
        ("version", |envelope| envelope.signature_version = Some("1".into())),
        ("no version", |envelope| envelope.signature_version = None),
        ("no signature", |envelope| envelope.signature = None),
        ("signature", |envelope| envelope.signature = Some("AAAA".into())),
        ("no certificate", |envelope| envelope.signing_cert_url = None),
        ("certificate", |envelope| {
            envelope.signing_cert_url = Some(CERTIFICATE.replace(".pem", ".txt"));
        }),
    ];
    for (what, change) in changes {
        let (topics, _) = topics();
        let mut envelope = signed(envelope(EnvelopeKind::Notification));
        change(&mut envelope);
        let distrust = topics.check(&envelope).await.unwrap_err();
        assert!(!distrust.again, "{what}: {distrust:?}");
    }
}

/// A server that never answers.
struct Silent;

impl Fetch for Silent {
    fn get<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn so_many_certificates_are_fetched_at_once_and_not_one_more() {
    let topics = Topics::new(vec![TOPIC.to_owned()], Arc::new(Silent));
    let envelope = signed(envelope(EnvelopeKind::Notification));
    let mut waiting: Vec<_> = (0..FETCHES_MAX).map(|_| topics.check(&envelope)).collect();
    for check in &mut waiting {
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(check.as_mut().poll(context))).await.is_pending()
        );
    }
    assert!(topics.check(&envelope).await.unwrap_err().again);
    // Whoever gives up makes room.
    waiting.pop();
    let mut next = topics.check(&envelope);
    assert!(std::future::poll_fn(|context| std::task::Poll::Ready(next.as_mut().poll(context))).await.is_pending());
}

#[test]
fn only_the_topic_s_own_region_is_asked() {
    for (url, topic, is_asked) in [
        (CERTIFICATE, TOPIC, true),
        ("https://sns.cn-north-1.amazonaws.com.cn/x.pem", "arn:aws-cn:sns:cn-north-1:1:t", true),
        ("https://sns.us-east-1.amazonaws.com/x.pem", TOPIC, false),
        ("http://sns.eu-central-1.amazonaws.com/x.pem", TOPIC, false),
        ("https://sns.eu-central-1.amazonaws.com.evil.example/x.pem", TOPIC, false),
        ("https://sns.eu-central-1.amazonaws.com@evil.example/x.pem", TOPIC, false),
        ("https://sns.eu-central-1.amazonaws.com:444/x.pem", TOPIC, false),
        ("https://evil.example/sns.eu-central-1.amazonaws.com/x.pem", TOPIC, false),
        ("https://bucket.s3.amazonaws.com/x.pem", TOPIC, false),
        ("https://sns.eu-central-1.amazonaws.com", TOPIC, false),
        ("https://sns.eu-central-1.amazonaws.com/a b.pem", TOPIC, false),
        ("https://sns..amazonaws.com/x.pem", "arn:aws:sns::1:t", false),
        ("https://sns.a/b.amazonaws.com/x.pem", "arn:aws:sns:a/b:1:t", false),
        (CERTIFICATE, "topic", false),
    ] {
        assert_eq!(of_topic(url, topic).is_some(), is_asked, "{url} {topic}");
    }
}

/// A write story that takes everything.
#[derive(Default)]
struct Taking(Mutex<Vec<String>>);

impl Take for Taking {
    fn take(&self, events: Vec<Event>) -> BoxFuture<'_, Vec<Result<(), NotTaken>>> {
        let mut heard = self.0.lock().unwrap();
        heard.extend(events.iter().map(|event| event.subject.to_string()));
        let count = events.len();
        Box::pin(async move { vec![Ok(()); count] })
    }
}

fn body(envelope: &Envelope) -> Vec<u8> {
    let kind = match envelope.kind {
        EnvelopeKind::Notification => "Notification",
        EnvelopeKind::SubscriptionConfirmation => "SubscriptionConfirmation",
        EnvelopeKind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
    };
    let fields = serde_json::json!({
        "Type": kind, "TopicArn": envelope.topic_arn, "MessageId": envelope.message_id, "Message": envelope.message,
        "Timestamp": envelope.timestamp, "Subject": envelope.subject, "Token": envelope.token,
        "SubscribeURL": envelope.subscribe_url, "SignatureVersion": envelope.signature_version,
        "Signature": envelope.signature, "SigningCertURL": envelope.signing_cert_url,
    });
    fields.to_string().into_bytes()
}

#[tokio::test]
async fn a_topic_that_is_listed_subscribes_and_speaks_and_no_other_does() {
    let (topics, server) = topics();
    let taking = Arc::new(Taking::default());
    let places = Places {
        source: SourceId::default(),
        originals: vec![Originals { place: Place::parse("img").unwrap(), below: String::new() }],
        derivatives: Vec::new(),
    };
    let intake = Arc::new(Intake::new(places, taking.clone()));
    let webhook = Webhook::new(intake, Some(Arc::new(topics)));
    let asked = |word: &str| server.asked.lock().unwrap().iter().filter(|url| url.contains(word)).count();
    // Without its certificate nobody knows: SNS tries again.
    server.is_away.store(1, Ordering::SeqCst);
    let subscription = signed(envelope(EnvelopeKind::SubscriptionConfirmation));
    assert!(matches!(webhook.deliver(&body(&subscription), false).await, Delivery::Again(_)));
    server.is_away.store(0, Ordering::SeqCst);
    assert_eq!(webhook.deliver(&body(&subscription), false).await, Delivery::Done);
    assert_eq!(asked("ConfirmSubscription"), 1);
    let notification = signed(envelope(EnvelopeKind::Notification));
    assert_eq!(webhook.deliver(&body(&notification), false).await, Delivery::Done);
    assert_eq!(*taking.0.lock().unwrap(), ["a.jpg"]);
    // A token opens the door to everything but envelopes that do not hold.
    let forged = Envelope { message: MESSAGE.replace("a.jpg", "b.jpg"), ..notification };
    for shown_in in [false, true] {
        assert!(matches!(webhook.deliver(&body(&forged), shown_in).await, Delivery::Refused(_)));
    }
    let stranger =
        signed(Envelope { topic_arn: format!("{TOPIC}-2"), ..envelope(EnvelopeKind::SubscriptionConfirmation) });
    assert!(matches!(webhook.deliver(&body(&stranger), true).await, Delivery::Refused(_)));
    assert_eq!((asked("ConfirmSubscription"), taking.0.lock().unwrap().len()), (1, 1));
    let long = vec![b' '; BODY_BYTES_MAX + 1];
    assert!(matches!(webhook.deliver(&long, true).await, Delivery::Unreadable(_)));
}
