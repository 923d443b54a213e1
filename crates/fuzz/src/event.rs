//! What says that it comes from a bucket: every dialect, at the webhook. Nothing is taken from who has no right to speak, and no key
//! that is no original's.

use std::sync::{Arc, Mutex};

use afterimage_events::dialect::{Message, RECORDS_MAX, read, read_unwrapped};
use afterimage_events::{Delivery, Intake, Originals, Place, Places, Webhook};
use afterimage_identity::{BoxFuture, Event, NotTaken, SourceId, Subject, Take};
use futures_util::FutureExt as _;

use crate::{Manner, Target};

pub(crate) const TARGET: Target = Target {
    name: "event",
    run,
    seeds: || SEEDS.iter().map(|seed| seed.as_bytes().to_vec()).collect(),
    manner: Manner { special: b"\"\\{}[]:,%+/.0-\x00", end: b"\"}]}", head_bytes: 0 },
};

const SEEDS: &[&str] = &[
    r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-02T03:04:05.678Z","eventName":"ObjectRemoved:Delete","s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"img","arn":"arn:aws:s3:::img"},"object":{"key":"image/red+flower%2B1.jpg","versionId":"v1","sequencer":"0055AED6DCD90281E5"}}}]}"#,
    r#"{"Records":[{"eventVersion":"2.0","eventSource":"minio:s3","eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"img"},"object":{"key":"image%2Fa+b.jpg","sequencer":"17"}}},{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectTagging:Put","s3":{}}]}"#,
    r#"{"version":"0","id":"i","detail-type":"Object Deleted","source":"aws.s3","account":"1","detail":{"version":"0","bucket":{"name":"img"},"object":{"key":"image/red flower+1.jpg","version-id":"v2","sequencer":"617f"},"reason":"DeleteObject","deletion-type":"Permanently Deleted"}}"#,
    r#"{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:us-east-1:1:t","Subject":"s","Message":"{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\",\"eventName\":\"ObjectRemoved:Delete\",\"s3\":{\"bucket\":{\"name\":\"img\"},\"object\":{\"key\":\"image/a.jpg\"}}}]}","Timestamp":"2026-01-02T03:04:05.678Z","SignatureVersion":"1","Signature":"c2ln","SigningCertURL":"https://sns.us-east-1.amazonaws.com/x.pem"}"#,
    r#"{"Type":"SubscriptionConfirmation","MessageId":"m","TopicArn":"arn:aws:sns:us-east-1:1:t","Token":"t","Message":"m","SubscribeURL":"https://sns.us-east-1.amazonaws.com/","Timestamp":"2026-01-02T03:04:05.678Z"}"#,
    r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05.678Z","Bucket":"img"}"#,
];

/// Takes everything and remembers it.
#[derive(Default)]
struct Taken(Mutex<Vec<Event>>);

impl Take for Taken {
    fn take(&self, events: Vec<Event>) -> BoxFuture<'_, Vec<Result<(), NotTaken>>> {
        let answers = events.iter().map(|_| Ok(())).collect();
        self.0.lock().expect("nobody panicked").extend(events);
        Box::pin(std::future::ready(answers))
    }
}

fn run(_how: u8, bytes: &[u8]) -> bool {
    let message = read(bytes);
    match &message {
        Ok(Message::Records(records)) => assert!(records.len() <= RECORDS_MAX, "{} records", records.len()),
        Ok(Message::Sns(envelope)) => {
            envelope.signed_text();
            assert!(!matches!(envelope.inner(), Ok(Message::Sns(_))), "an envelope within another");
        }
        Ok(Message::Test) | Err(_) => {}
    }
    assert!(!matches!(read_unwrapped(bytes), Ok(Message::Sns(_))), "an envelope that was not opened");
    let (delivery, taken) = delivered(bytes, false);
    assert!(
        matches!(delivery, Delivery::Refused(_)) && taken.is_empty(),
        "a stranger is heard: {delivery:?} {taken:?}"
    );
    for event in delivered(bytes, true).1 {
        let is_ours =
            matches!(&event.subject, Subject::Original(original) if original.key.as_str().starts_with("team/"));
        assert!(is_ours, "an event of no original of ours: {event:?}");
    }
    message.is_ok()
}

/// What becomes of a delivery, and what was taken of it.
fn delivered(bytes: &[u8], shown_in: bool) -> (Delivery, Vec<Event>) {
    let place = Place::parse("img/image").expect("a place");
    let originals = vec![Originals { place, below: "team/".to_owned() }];
    let places = Places { source: SourceId::default(), originals, derivatives: Vec::new() };
    let taken = Arc::new(Taken::default());
    let webhook = Webhook::new(Arc::new(Intake::new(places, taken.clone())), None);
    let delivery = webhook.deliver(bytes, shown_in).now_or_never().expect("nothing here waits");
    let events = std::mem::take(&mut *taken.0.lock().expect("nobody panicked"));
    (delivery, events)
}
