//! The dialects as their senders write them. What S3 and MinIO send here has the shapes of their documentation; values are
//! invented.

use afterimage_identity::Happened;
use proptest::prelude::*;

use super::*;
use crate::Ignored;

const S3: &str = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-02T03:04:05.678Z","eventName":"ObjectRemoved:Delete","userIdentity":{"principalId":"A"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},"responseElements":{"x-amz-request-id":"R","x-amz-id-2":"I"},"s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"img","ownerIdentity":{"principalId":"O"},"arn":"arn:aws:s3:::img"},"object":{"key":"image/red+flower%2B1.jpg","versionId":"v1","sequencer":"0055AED6DCD90281E5"}}}]}"#;
const BRIDGE: &str = r#"{"version":"0","id":"u","detail-type":"Object Deleted","source":"aws.s3","account":"111122223333","time":"2026-01-02T03:04:05Z","region":"us-east-1","resources":["arn:aws:s3:::img"],"detail":{"version":"0","bucket":{"name":"img"},"object":{"key":"image/red flower+1.jpg","sequencer":"617f0837b476e463","version-id":"v2"},"request-id":"R","requester":"111122223333","source-ip-address":"127.0.0.1","reason":"Lifecycle Expiration","deletion-type":"Delete Marker Created"}}"#;
const MINIO: &str = r#"{"EventName":"s3:ObjectRemoved:Delete","Key":"img/image/a b.jpg","Records":[{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"","eventTime":"2026-01-02T03:04:05.678Z","eventName":"s3:ObjectRemoved:Delete","userIdentity":{"principalId":"p"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},"responseElements":{"x-amz-request-id":"R"},"s3":{"s3SchemaVersion":"1.0","configurationId":"Config","bucket":{"name":"img","ownerIdentity":{"principalId":"p"},"arn":"arn:aws:s3:::img"},"object":{"key":"image%2Fa+b.jpg","sequencer":"17F427499AC0BA8F"}},"source":{"host":"127.0.0.1","port":"","userAgent":"t"}}]}"#;
const TEST: &str = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05.678Z","Bucket":"img","RequestId":"R","HostId":"H"}"#;
/// As moto sends it: no sequencer, no version, no identities, a time without its zone.
const MOTO: &str = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-02T03:04:05.678901","eventName":"ObjectRemoved:Delete","s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"img","arn":"arn:aws:s3:::img"},"object":{"key":"image%2Fred+flower%2B%C3%A9+%26%3D.jpg","size":3,"eTag":"x"}}}]}"#;

fn sns(message: &str) -> String {
    let message = serde_json::to_string(message).unwrap();
    format!(
        r#"{{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:us-east-1:111122223333:t","Subject":"Amazon S3 Notification","Message":{message},"Timestamp":"2026-01-02T03:04:05.678Z","SignatureVersion":"1","Signature":"c2ln","SigningCertURL":"https://sns.us-east-1.amazonaws.com/x.pem","UnsubscribeURL":"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe"}}"#
    )
}

fn only(body: &str) -> Record {
    match read_unwrapped(body.as_bytes()).unwrap() {
        Message::Records(mut records) if records.len() == 1 => records.pop().unwrap().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_dialect_names_bucket_and_key() {
    for (body, dialect, key, version_id, sequencer) in [
        (S3, Dialect::S3, "image/red flower+1.jpg", Some("v1"), Some("0055AED6DCD90281E5")),
        (&sns(S3), Dialect::S3, "image/red flower+1.jpg", Some("v1"), Some("0055AED6DCD90281E5")),
        (BRIDGE, Dialect::EventBridge, "image/red flower+1.jpg", Some("v2"), Some("617f0837b476e463")),
        (&sns(BRIDGE), Dialect::EventBridge, "image/red flower+1.jpg", Some("v2"), Some("617f0837b476e463")),
        (MINIO, Dialect::Minio, "image/a b.jpg", None, Some("17F427499AC0BA8F")),
        (MOTO, Dialect::S3, "image/red flower+é &=.jpg", None, None),
    ] {
        let record = only(body);
        assert_eq!((record.dialect, record.bucket.as_str(), record.key), (dialect, "img", Ok(key.to_owned())));
        assert_eq!(record.happened, Ok(Happened::Removed));
        assert_eq!((record.version_id.as_deref(), record.sequencer.as_deref()), (version_id, sequencer));
    }
}

#[test]
fn tests_of_the_set_up_are_messages_without_records() {
    for body in [TEST, &sns(TEST)] {
        assert_eq!(read_unwrapped(body.as_bytes()), Ok(Message::Test));
    }
}

#[test]
fn names_of_records() {
    use Happened::{Removed, Written};
    for (name, meaning) in [
        ("ObjectCreated:Put", Ok(Written)),
        ("ObjectCreated:CompleteMultipartUpload", Ok(Written)),
        ("s3:ObjectCreated:Copy", Ok(Written)),
        ("ObjectRemoved:Delete", Ok(Removed)),
        ("s3:ObjectRemoved:DeleteMarkerCreated", Ok(Removed)),
        ("LifecycleExpiration:Delete", Ok(Removed)),
        ("s3:LifecycleExpiration:DeleteMarkerCreated", Ok(Removed)),
        ("s3:LifecycleDelMarkerExpiration:Delete", Ok(Removed)),
        ("ReducedRedundancyLostObject", Ok(Removed)),
        ("ObjectRestore:Post", Err(Ignored::Restored)),
        ("ObjectRestore:Delete", Err(Ignored::Restored)),
        ("ObjectTagging:Put", Err(Ignored::Tagged)),
        ("s3:ObjectCreated:PutTagging", Err(Ignored::Tagged)),
        ("s3:ObjectCreated:PutLegalHold", Err(Ignored::Locked)),
        ("ObjectAcl:Put", Err(Ignored::AccessChanged)),
        ("Replication:OperationMissedThreshold", Err(Ignored::Replicated)),
        ("LifecycleTransition", Err(Ignored::StorageClass)),
        ("IntelligentTiering", Err(Ignored::StorageClass)),
        ("s3:ObjectAccessed:Get", Err(Ignored::Accessed)),
        ("s3:BucketCreated:*", Err(Ignored::UnknownName)),
        ("ObjectTeleported:Away", Err(Ignored::UnknownName)),
        ("", Err(Ignored::UnknownName)),
    ] {
        assert_eq!(only(&S3.replace("ObjectRemoved:Delete", name)).happened, meaning, "{name}");
    }
}

#[test]
fn names_of_eventbridge() {
    for (name, meaning) in [
        ("Object Created", Ok(Happened::Written)),
        ("Object Deleted", Ok(Happened::Removed)),
        ("Object Restore Expired", Err(Ignored::Restored)),
        ("Object Tags Added", Err(Ignored::Tagged)),
        ("Object ACL Updated", Err(Ignored::AccessChanged)),
        ("Object Storage Class Changed", Err(Ignored::StorageClass)),
        ("AWS API Call via CloudTrail", Err(Ignored::UnknownName)),
    ] {
        assert_eq!(only(&BRIDGE.replace("Object Deleted", name)).happened, meaning, "{name}");
    }
}

#[test]
fn what_is_no_object_needs_no_key() {
    for (body, why) in [
        (r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:ses","eventName":"x"}]}"#, Ignored::OtherService),
        (
            r#"{"Records":[{"eventVersion":"2.0","eventSource":"minio:s3","eventName":"s3:BucketRemoved:*","s3":{"bucket":{"name":"img"}}}]}"#,
            Ignored::UnknownName,
        ),
        (r#"{"version":"0","detail-type":"EC2 Instance State-change","source":"aws.ec2"}"#, Ignored::OtherService),
    ] {
        assert_eq!(only(body).happened, Err(why), "{body}");
    }
}

#[test]
fn minor_versions_and_new_fields_are_read_and_major_ones_are_not() {
    assert!(
        only(&S3.replace("\"2.1\"", "\"2.99\"").replace("\"awsRegion\"", "\"new\":[{}],\"awsRegion\"")).key.is_ok()
    );
    for body in [S3.replace("\"2.1\"", "\"3.0\""), BRIDGE.replace("\"version\":\"0\"", "\"version\":\"1\"")] {
        let Ok(Message::Records(records)) = read(body.as_bytes()) else { panic!("{body}") };
        assert!(matches!(&records[..], [Err(Unreadable::Version(_))]), "{records:?}");
    }
}

#[test]
fn one_bad_record_spoils_no_other() {
    let body = S3.replace("]}", r#",{"eventSource":"aws:s3"},7]}"#);
    let Ok(Message::Records(records)) = read(body.as_bytes()) else { panic!("{body}") };
    assert_eq!(records.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn what_cannot_be_read_is_said() {
    let nested = sns(&sns(S3));
    for (body, why) in [
        ("", None),
        ("{", None),
        ("[]", Some(Unreadable::UnknownShape)),
        ("{}", Some(Unreadable::UnknownShape)),
        (r#"{"Records":7}"#, Some(Unreadable::Field("Records"))),
        (r#"{"TopicArn":"t","Type":"Postcard"}"#, Some(Unreadable::Field("/Type"))),
        (&nested, Some(Unreadable::Nested)),
    ] {
        match why {
            Some(why) => assert_eq!(read_unwrapped(body.as_bytes()), Err(why), "{body}"),
            None => assert!(matches!(read_unwrapped(body.as_bytes()), Err(Unreadable::NotJson(_))), "{body}"),
        }
    }
}

#[test]
fn sizes_at_the_bound_and_past_it() {
    let padded = |bytes: usize| format!("{TEST}{}", " ".repeat(bytes - TEST.len()));
    assert_eq!(read(padded(BODY_BYTES_MAX).as_bytes()), Ok(Message::Test));
    let bytes = BODY_BYTES_MAX + 1;
    assert_eq!(read(padded(bytes).as_bytes()), Err(Unreadable::TooLong { bytes }));
    let records = |count: usize| format!(r#"{{"Records":[{}]}}"#, vec!["7"; count].join(","));
    assert!(read(records(RECORDS_MAX).as_bytes()).is_ok());
    let records_past = RECORDS_MAX + 1;
    let refused = Unreadable::TooManyRecords { records: records_past };
    assert_eq!(read(records(records_past).as_bytes()), Err(refused));
}

/// JSON of any shape, made of the words that the dialects look for.
fn values() -> impl Strategy<Value = Value> {
    let words = [
        "Records",
        "s3",
        "bucket",
        "object",
        "key",
        "name",
        "eventName",
        "eventSource",
        "eventVersion",
        "aws:s3",
        "2.1",
        "detail",
        "detail-type",
        "source",
        "aws.s3",
        "version",
        "0",
        "Type",
        "TopicArn",
        "Message",
        "MessageId",
        "Timestamp",
        "Notification",
        "Event",
        "s3:TestEvent",
        "ObjectCreated:Put",
        "%",
        "+%2",
        "",
    ];
    let word = prop::sample::select(words.to_vec()).prop_map(str::to_owned);
    let leaf = prop_oneof![
        word.clone().prop_map(Value::String),
        any::<String>().prop_map(Value::String),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((word.clone(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_unwrapped(&bytes);
    }

    #[test]
    fn no_json_causes_a_panic(value in values()) {
        let _ = read_unwrapped(value.to_string().as_bytes());
    }

    #[test]
    fn no_spoilt_message_causes_a_panic(of in 0..5usize, at in 0.0..1.0f64, byte in any::<u8>(), cut in any::<bool>()) {
        let mut body = [S3, BRIDGE, MINIO, TEST, &sns(S3)][of].as_bytes().to_vec();
        let at = ((body.len() - 1) as f64 * at) as usize;
        if cut { body.truncate(at) } else { body[at] = byte }
        let _ = read_unwrapped(&body);
    }

    #[test]
    fn one_key_is_the_same_in_every_dialect(key in "[ -~é사]{1,40}") {
        let form = percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC).to_string();
        let mut bridge: Value = serde_json::from_str(BRIDGE).unwrap();
        bridge["detail"]["object"]["key"] = Value::String(key.clone());
        let of_s3 = S3.replace("image/red+flower%2B1.jpg", &form.replace("%20", "+"));
        for body in [of_s3.clone(), sns(&of_s3), bridge.to_string()] {
            prop_assert_eq!(only(&body).key, Ok(key.clone()));
        }
    }
}
