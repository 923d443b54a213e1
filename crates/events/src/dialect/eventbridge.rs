//! One event of EventBridge. Keys are bare there: a plus is a plus.

use serde_json::Value;

use super::{Dialect, Record, Unreadable, check_version, maybe_text, names, text};
use crate::Ignored;

pub(super) fn read(value: &Value) -> Result<Record, Unreadable> {
    let name = text(value, "/detail-type")?;
    let record = |bucket, key, happened| Record {
        dialect: Dialect::EventBridge,
        bucket,
        key,
        happened,
        name: name.clone(),
        version_id: maybe_text(value, "/detail/object/version-id"),
        sequencer: maybe_text(value, "/detail/object/sequencer"),
    };
    if text(value, "/source")? != "aws.s3" {
        return Ok(record(String::new(), Err(Ignored::OtherService), Err(Ignored::OtherService)));
    }
    check_version(&text(value, "/version")?, "0")?;
    let happened = names::of_bridge(&name);
    match (text(value, "/detail/bucket/name"), text(value, "/detail/object/key"), happened) {
        (Ok(bucket), Ok(key), happened) => Ok(record(bucket, Ok(key), happened)),
        (_, _, Err(why)) => Ok(record(String::new(), Err(why), Err(why))),
        (Err(error), ..) | (_, Err(error), _) => Err(error),
    }
}
