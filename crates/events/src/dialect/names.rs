//! Names of events, and what they mean for what was derived.

use afterimage_identity::Happened;

use crate::Ignored;

/// A name in a record of S3 or MinIO, with or without `s3:` before it.
pub(super) fn of_record(name: &str) -> Result<Happened, Ignored> {
    let name = name.strip_prefix("s3:").unwrap_or(name);
    let (kind, detail) = name.split_once(':').unwrap_or((name, ""));
    match (kind, detail) {
        // MinIO counts these among the creations.
        ("ObjectCreated", "PutTagging" | "DeleteTagging") => Err(Ignored::Tagged),
        ("ObjectCreated", "PutRetention" | "PutLegalHold") => Err(Ignored::Locked),
        // It says that something was written, not whether something else was there before.
        ("ObjectCreated", _) => Ok(Happened::Written),
        ("ObjectRemoved" | "LifecycleExpiration" | "LifecycleDelMarkerExpiration", _) => Ok(Happened::Removed),
        ("ReducedRedundancyLostObject", _) => Ok(Happened::Removed),
        ("ObjectRestore", _) => Err(Ignored::Restored),
        ("ObjectTagging", _) => Err(Ignored::Tagged),
        ("ObjectAcl", _) => Err(Ignored::AccessChanged),
        ("Replication", _) => Err(Ignored::Replicated),
        ("LifecycleTransition" | "IntelligentTiering" | "ObjectTransition", _) => Err(Ignored::StorageClass),
        ("ObjectAccessed", _) => Err(Ignored::Accessed),
        _ => Err(Ignored::UnknownName),
    }
}

/// A `detail-type` of EventBridge.
pub(super) fn of_bridge(detail_type: &str) -> Result<Happened, Ignored> {
    match detail_type {
        "Object Created" => Ok(Happened::Written),
        // By a request or by a lifecycle rule, for good or behind a delete marker.
        "Object Deleted" => Ok(Happened::Removed),
        "Object Restore Initiated" | "Object Restore Completed" | "Object Restore Expired" => Err(Ignored::Restored),
        "Object Tags Added" | "Object Tags Deleted" => Err(Ignored::Tagged),
        "Object ACL Updated" => Err(Ignored::AccessChanged),
        "Object Storage Class Changed" | "Object Access Tier Changed" => Err(Ignored::StorageClass),
        _ => Err(Ignored::UnknownName),
    }
}
