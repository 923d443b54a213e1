//! A bucket in this process: the protocol, its XML and its signatures are s3s's, what is stored is `state`'s, versions and locks
//! included, and so are the faults. It cannot show what only a real bucket shows: its consistency, its throttling, its rights.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::state::{Fault, State, Version};

/// What the bucket is called.
pub const BUCKET: &str = "pictures";
const ID: &str = "AKIADOUBLE";
const SECRET: &str = "c2VjcmV0/for+tests=only";

/// The bucket, called [`BUCKET`].
#[derive(Clone)]
pub struct Double {
    state: Arc<Mutex<State>>,
    /// Where it listens.
    pub endpoint: String,
    profiles: Arc<tempfile::TempDir>,
}

impl Double {
    /// Begins to listen, on the runtime of the caller.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let profiles = Arc::new(tempfile::tempdir().unwrap());
        let text = format!(
            "[default]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n\
             [wrong]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}x\n"
        );
        std::fs::write(profiles.path().join("credentials"), text).unwrap();
        let double = Self { state: Arc::default(), endpoint, profiles };
        let mut service = S3ServiceBuilder::new(double.clone());
        service.set_auth(SimpleAuth::from_single(ID, SECRET));
        let service = service.build();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        double
    }

    /// A file with the profile that it knows, and one, `wrong`, whose secret is wrong.
    pub fn profiles(&self) -> PathBuf {
        self.profiles.path().join("credentials")
    }

    /// What it holds and what is ordered.
    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Counts the call, and does what was ordered for it.
    async fn before(&self, call: &'static str, bucket: &str) -> S3Result<Option<Fault>> {
        let fault = {
            let mut state = self.state();
            state.calls.push(call.to_owned());
            if bucket != BUCKET || state.is_lost {
                return Err(s3_error!(NoSuchBucket));
            }
            let ordered = state.faults.iter_mut().find(|(name, _, left)| *name == call && *left > 0);
            ordered.map(|(_, fault, left)| {
                *left -= 1;
                fault.clone()
            })
        };
        match fault {
            Some(Fault::Code(code)) => Err(s3s::S3Error::new(code)),
            Some(Fault::Slow(duration)) => {
                tokio::time::sleep(duration).await;
                Ok(None)
            }
            Some(Fault::Silence) => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Err(s3_error!(InternalError))
            }
            fault => Ok(fault),
        }
    }
}

fn etag(body: &[u8]) -> ETag {
    ETag::Strong(afterimage_identity::digest_hex(body)[..32].to_owned())
}

fn moment(written_s: u64) -> Timestamp {
    (std::time::UNIX_EPOCH + Duration::from_secs(written_s)).into()
}

fn encode(text: &str, encoding: Option<&EncodingType>) -> String {
    if encoding.map(EncodingType::as_str) != Some("url") {
        return text.to_owned();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./*".contains(&byte);
    let one = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// As the service writes a checksum.
fn sha256(body: &[u8]) -> String {
    let hex = afterimage_identity::digest_hex(body);
    let bytes = hex.as_bytes().chunks(2).map(|two| {
        let two = std::str::from_utf8(two).expect("ASCII");
        u8::from_str_radix(two, 16).expect("hexadecimal")
    });
    base64::engine::general_purpose::STANDARD.encode(bytes.collect::<Vec<u8>>())
}

fn blob(body: Bytes, fault: Option<Fault>) -> StreamingBlob {
    if let Some(Fault::Stalled(at)) = fault {
        let begins = futures_util::stream::iter([Ok::<_, std::io::Error>(body.slice(..at.min(body.len())))]);
        return StreamingBlob::wrap(begins.chain(futures_util::stream::pending()));
    }
    let body = match fault {
        Some(Fault::Cut(at)) => {
            let begins = futures_util::stream::iter([Ok(body.slice(..at.min(body.len())))]);
            // What was sent is on its way before the connection ends.
            let ends = futures_util::stream::once(async {
                tokio::time::sleep(Duration::from_millis(2)).await;
                Err(std::io::Error::other("cut"))
            });
            return StreamingBlob::wrap(begins.chain(ends));
        }
        Some(Fault::Flipped) => {
            let mut body = body.to_vec();
            body[0] ^= 1;
            body.into()
        }
        _ => body,
    };
    StreamingBlob::wrap(futures_util::stream::iter([Ok::<_, std::io::Error>(body)]))
}

#[async_trait::async_trait]
impl S3 for Double {
    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.before("HeadObject", &req.input.bucket).await?;
        let Version { body, content_type, metadata, cache_control, written_s, .. } =
            self.state().current(&req.input.key)?;
        let body = body.unwrap_or_default();
        Ok(S3Response::new(HeadObjectOutput {
            cache_control,
            last_modified: Some(moment(written_s)),
            content_length: Some(body.len() as i64),
            e_tag: Some(etag(&body)),
            content_type,
            metadata,
            ..Default::default()
        }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let fault = self.before("GetObject", &req.input.bucket).await?;
        let GetObjectInput { key, version_id, range, if_match, checksum_mode, .. } = req.input;
        let mut state = self.state();
        if let Some(Fault::Replaced(body)) = &fault {
            state.put(&key, body.clone(), None, None);
        }
        let wanted = match &version_id {
            Some(id) => state.version(&key, id)?,
            None => state.current(&key)?,
        };
        let Version { body, content_type, metadata, cache_control, written_s, .. } = wanted;
        let whole = body.unwrap_or_default();
        if let Some(ETagCondition::ETag(wanted)) = if_match.filter(|_| !state.heeds_no_condition)
            && etag(&whole) != wanted
        {
            return Err(s3_error!(PreconditionFailed));
        }
        let (mut body, mut content_range) = (whole.clone(), None);
        if let Some(range) = range {
            let range = range.check(whole.len() as u64)?;
            state.ranges.push(range.start);
            if !state.knows_no_ranges {
                let lie = u64::from(matches!(fault, Some(Fault::Shifted)));
                content_range = Some(format!("bytes {}-{}/{}", range.start - lie, range.end - 1 - lie, whole.len()));
                body = whole.slice(range.start as usize..range.end as usize);
            }
        }
        let checksummed = state.has_checksums && checksum_mode.is_some() && content_range.is_none();
        Ok(S3Response::new(GetObjectOutput {
            cache_control,
            last_modified: Some(moment(written_s)),
            content_length: Some(body.len() as i64),
            content_range,
            checksum_sha256: checksummed.then(|| sha256(&whole)),
            e_tag: Some(etag(&whole)),
            body: Some(blob(body, fault)),
            content_type,
            metadata,
            ..Default::default()
        }))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let fault = self.before("PutObject", &req.input.bucket).await?;
        let PutObjectInput { key, body, content_type, metadata, cache_control, if_none_match, .. } = req.input;
        let mut whole = Vec::new();
        if let Some(mut body) = body {
            while let Some(part) = body.next().await {
                whole.extend_from_slice(&part.map_err(|_| s3_error!(IncompleteBody))?);
            }
        }
        let mut state = self.state();
        if if_none_match.is_some() && state.current(&key).is_ok() {
            return Err(s3_error!(PreconditionFailed));
        }
        state.put(&key, Some(whole.into()), content_type, metadata);
        if let Some(version) = state.objects.get_mut(&key).and_then(|versions| versions.last_mut()) {
            version.cache_control = cache_control;
        }
        match fault {
            Some(Fault::Late(code)) => Err(s3s::S3Error::new(code)),
            _ => Ok(S3Response::new(PutObjectOutput::default())),
        }
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.before("DeleteObject", &req.input.bucket).await?;
        let DeleteObjectInput { key, version_id, if_match, .. } = req.input;
        let mut state = self.state();
        if let Some((key, body)) = state.race.take() {
            state.put(&key, Some(body), None, None);
        }
        if let Some(ETagCondition::ETag(wanted)) = if_match.filter(|_| !state.heeds_no_condition) {
            let found = state.current(&key)?;
            if etag(&found.body.unwrap_or_default()) != wanted {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        state.remove(&key, version_id.as_deref());
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let fault = self.before("DeleteObjects", &req.input.bucket).await?;
        let mut state = self.state();
        if state.no_bulk {
            return Err(s3_error!(NotImplemented));
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        assert!(req.input.delete.objects.len() <= 1000, "more than S3 takes");
        for ObjectIdentifier { key, version_id, .. } in req.input.delete.objects {
            match &fault {
                Some(Fault::Part(end, code)) if key.ends_with(end) => {
                    let code = Some(code.as_str().to_owned());
                    errors.push(s3s::dto::Error { key: Some(key), version_id, code, message: Some("ordered".into()) });
                }
                Some(Fault::Unsaid(end)) if key.ends_with(end) => {}
                _ => {
                    state.remove(&key, version_id.as_deref());
                    deleted.push(DeletedObject { key: Some(key), version_id, ..Default::default() });
                }
            }
        }
        let (deleted, errors) = (Some(deleted), Some(errors));
        Ok(S3Response::new(DeleteObjectsOutput { deleted, errors, ..Default::default() }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.before("ListObjectsV2", &req.input.bucket).await?;
        let ListObjectsV2Input { prefix, start_after, max_keys, encoding_type, .. } = req.input;
        let (prefix, after) = (prefix.unwrap_or_default(), start_after.unwrap_or_default());
        let state = self.state();
        let keys = state.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
        let mut found: Vec<Object> = keys
            .filter_map(|(key, versions)| {
                let key = Some(encode(key, encoding_type.as_ref()));
                let Version { body, written_s, .. } = versions.last()?;
                let body = body.as_ref()?;
                let (size, e_tag) = (Some(body.len() as i64), Some(etag(body)));
                Some(Object { key, size, e_tag, last_modified: Some(moment(*written_s)), ..Default::default() })
            })
            .collect();
        let most = usize::try_from(max_keys.unwrap_or(1000)).unwrap().min(1000);
        let more = found.len() > most;
        found.truncate(most);
        let (contents, is_truncated) = (Some(found), Some(more));
        Ok(S3Response::new(ListObjectsV2Output { contents, is_truncated, encoding_type, ..Default::default() }))
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        self.before("ListObjectVersions", &req.input.bucket).await?;
        let ListObjectVersionsInput { prefix, key_marker, version_id_marker, max_keys, encoding_type, .. } = req.input;
        let (prefix, after) = (prefix.unwrap_or_default(), key_marker.unwrap_or_default());
        let state = self.state();
        let mut lines = Vec::new();
        for (key, versions) in state.objects.iter().filter(|(key, _)| key.starts_with(&prefix)) {
            let mut newest_first: Vec<&Version> = versions.iter().rev().collect();
            if *key < after || *key == after && version_id_marker.is_none() {
                continue;
            }
            if *key == after {
                let at = newest_first.iter().position(|version| Some(&version.id) == version_id_marker.as_ref());
                newest_first.drain(..=at.expect("a marker that was given"));
            }
            let latest = versions.last().map(|version| version.id.clone());
            let is_latest = |version: &Version| Some(&version.id) == latest.as_ref();
            lines.extend(newest_first.into_iter().map(|version| (key.clone(), version.clone(), is_latest(version))));
        }
        let most = usize::try_from(max_keys.unwrap_or(1000)).unwrap().min(1000);
        let more = lines.len() > most;
        lines.truncate(most);
        let mut output = ListObjectVersionsOutput { is_truncated: Some(more), ..Default::default() };
        if let Some((key, last, _)) = lines.last().filter(|_| more) {
            output.next_key_marker = Some(encode(key, encoding_type.as_ref()));
            output.next_version_id_marker = Some(last.id.clone());
        }
        for (key, Version { id, body, written_s, .. }, is_latest) in lines {
            let (key, version_id) = (Some(encode(&key, encoding_type.as_ref())), Some(id));
            let (is_latest, last_modified) = (Some(is_latest), Some(moment(written_s)));
            match body {
                Some(body) => output.versions.get_or_insert_default().push(ObjectVersion {
                    key,
                    version_id,
                    size: Some(body.len() as i64),
                    e_tag: Some(etag(&body)),
                    is_latest,
                    last_modified,
                    ..Default::default()
                }),
                None => output.delete_markers.get_or_insert_default().push(DeleteMarkerEntry {
                    key,
                    version_id,
                    is_latest,
                    last_modified,
                    ..Default::default()
                }),
            }
        }
        output.encoding_type = encoding_type;
        Ok(S3Response::new(output))
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        self.before("GetBucketVersioning", &req.input.bucket).await?;
        let state = self.state();
        let status = state.versioning.map(BucketVersioningStatus::from_static);
        let mfa_delete = state.mfa_delete.then(|| MFADeleteStatus::from_static("Enabled"));
        Ok(S3Response::new(GetBucketVersioningOutput { status, mfa_delete }))
    }

    async fn get_object_lock_configuration(
        &self,
        req: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        self.before("GetObjectLockConfiguration", &req.input.bucket).await?;
        if !self.state().retains {
            return Err(s3_error!(ObjectLockConfigurationNotFoundError));
        }
        let retention = DefaultRetention { days: Some(1), mode: None, years: None };
        let configuration = ObjectLockConfiguration {
            object_lock_enabled: Some(ObjectLockEnabled::from_static("Enabled")),
            rule: Some(ObjectLockRule { default_retention: Some(retention) }),
        };
        let object_lock_configuration = Some(configuration);
        Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration }))
    }
}
