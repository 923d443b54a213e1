//! A whole object, however often its body is cut on the way: what has come stays, and the rest is asked for, of the very version
//! that it began with. A server that answers anything but that rest is read from the beginning.

use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_checksums::ChecksumAlgorithm;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout};

use super::connection::Bucket;
use super::failure::{Failure, Why};
use crate::Error;

/// Why there is no body.
pub(super) enum Got {
    TooLarge(u64),
    Nothing(Failure),
}

impl Got {
    pub(super) fn into_error(self, bytes_max: u64, read: impl FnOnce(Failure) -> Error) -> Error {
        match self {
            Self::TooLarge(bytes) => Error::TooLarge { bytes, max: bytes_max },
            Self::Nothing(failure) => read(failure),
        }
    }
}

/// What has come so far, and what is known of the whole.
struct Begun {
    /// What the first answer said. Its body is taken out.
    head: GetObjectOutput,
    length: Option<u64>,
    body: BytesMut,
    /// Whether it was put together from several answers.
    joined: bool,
}

/// Why one try did not bring the whole.
enum Stopped {
    /// Another try would end the same.
    For(Got),
    /// It was cut; what had come can be gone on with.
    Cut(Box<Begun>, Failure),
    /// Nothing of it can be used.
    Lost(Failure),
}

fn cut(why: Why, words: &str) -> Failure {
    Failure::new(why, format!("GetObject: the body was {words}"))
}

impl Begun {
    fn new(head: GetObjectOutput) -> Self {
        let length = head.content_length().and_then(|length| u64::try_from(length).ok());
        let room = usize::try_from(length.unwrap_or(0)).unwrap_or(0);
        Self { head, length, body: BytesMut::with_capacity(room), joined: false }
    }

    /// The rest as a range, with what names the version it has to be of; `None` where there is nothing to go on with, or no name
    /// that a condition can be made of (RFC 9110, 13.1.1: it is compared strongly).
    fn rest(&self) -> Option<(String, String)> {
        let etag = self.head.e_tag().filter(|etag| !etag.is_empty() && !etag.starts_with("W/"))?;
        let come = self.body.len() as u64;
        (come > 0 && come < self.length?).then(|| (format!("bytes={come}-"), etag.to_owned()))
    }

    /// Whether an answer is exactly the rest.
    fn is_gone_on_with_by(&self, answer: &GetObjectOutput) -> bool {
        let (come, length) = (self.body.len() as u64, self.length.unwrap_or(0));
        let range = format!("bytes {come}-{}/{length}", length.saturating_sub(1));
        let rest = i64::try_from(length.saturating_sub(come)).ok();
        answer.content_range() == Some(&*range)
            && answer.content_length().is_none_or(|bytes| Some(bytes) == rest)
            && answer.e_tag() == self.head.e_tag()
    }

    /// Whether an answer is the same whole once more, from a server that knows no ranges.
    fn is_begun_again_by(&self, answer: &GetObjectOutput) -> bool {
        answer.content_range().is_none()
            && answer.content_length() == self.head.content_length()
            && answer.e_tag() == self.head.e_tag()
    }

    /// Whether it is what the bucket has a checksum of. One answer's body was compared by the SDK as it came.
    fn is_sound(&self) -> bool {
        let head = &self.head;
        let checksums = [
            (ChecksumAlgorithm::Crc64Nvme, head.checksum_crc64_nvme()),
            (ChecksumAlgorithm::Crc32, head.checksum_crc32()),
            (ChecksumAlgorithm::Crc32c, head.checksum_crc32_c()),
            (ChecksumAlgorithm::Sha256, head.checksum_sha256()),
            (ChecksumAlgorithm::Sha1, head.checksum_sha1()),
        ];
        // With a hyphen it is one of checksums of parts, which nobody can compute from the whole.
        let of_whole = |(_, text): &(_, Option<&str>)| text.is_some_and(|text| !text.contains('-'));
        let Some((algorithm, Some(expected))) = checksums.into_iter().find(of_whole).filter(|_| self.joined) else {
            return true;
        };
        let mut checksum = algorithm.into_impl();
        checksum.update(&self.body);
        STANDARD.encode(checksum.finalize()) == expected
    }
}

impl Bucket {
    /// A whole object. The caller holds a permit of `transfers`.
    pub(super) async fn get(&self, key: &str, bytes_max: u64) -> Result<(GetObjectOutput, Bytes), Got> {
        self.get_version(key, None, bytes_max).await
    }

    /// As [`get`](Self::get), of one version.
    pub(super) async fn get_version(
        &self,
        key: &str,
        version: Option<&str>,
        bytes_max: u64,
    ) -> Result<(GetObjectOutput, Bytes), Got> {
        let (mut begun, mut knows_ranges, mut until) = (None, true, None);
        for tries in 1.. {
            let stopped = match self.go_on(key, version, begun.take(), bytes_max, &mut until).await {
                Ok(Begun { head, body, .. }) => return Ok((head, body.freeze())),
                Err(stopped) => stopped,
            };
            let (kept, failure) = match stopped {
                Stopped::For(got) => return Err(got),
                Stopped::Cut(kept, failure) => (Some(*kept), failure),
                Stopped::Lost(failure) => {
                    knows_ranges = false;
                    (None, failure)
                }
            };
            let is_over = until.is_some_and(|until| tokio::time::Instant::now() >= until);
            if tries >= self.limits.attempts_max || is_over {
                return Err(Got::Nothing(failure));
            }
            begun = kept.filter(|kept| knows_ranges && kept.rest().is_some());
            let come = begun.as_ref().map_or(0, |begun: &Begun| begun.body.len());
            tracing::debug!(key, tries, come, answer = failure.words, "a body was cut; it is gone on with");
        }
        Err(Got::Nothing(Failure::new(Why::Other, "GetObject: never tried")))
    }

    /// One try: the whole, or the rest of what was begun. `until` is when the body has to be there, once one began.
    async fn go_on(
        &self,
        key: &str,
        version: Option<&str>,
        begun: Option<Begun>,
        bytes_max: u64,
        until: &mut Option<Instant>,
    ) -> Result<Begun, Stopped> {
        let call = self.client.get_object().bucket(self.place.bucket()).key(key);
        let call = call.set_version_id(version.map(str::to_owned));
        let call = match begun.as_ref().and_then(Begun::rest) {
            Some((range, etag)) => call.range(range).if_match(etag),
            // Where a bucket has a checksum of the body, the SDK compares it. Of a part it has none.
            None => call.checksum_mode(ChecksumMode::Enabled),
        };
        let mut answer = match call.send().await.map_err(|error| Failure::of("GetObject", error)) {
            Ok(answer) => answer,
            // Somebody wrote in between, or the server cannot count: what there is now is read from the beginning.
            Err(failure) if begun.is_some() && (failure.why == Why::Changed || failure.is_no_range()) => {
                return Err(Stopped::Lost(failure));
            }
            Err(failure) => return Err(Stopped::For(Got::Nothing(failure))),
        };
        let stream = std::mem::take(&mut answer.body);
        let begun = match begun {
            None => Begun::new(answer),
            Some(begun) if begun.is_gone_on_with_by(&answer) => Begun { joined: true, ..begun },
            Some(begun) if begun.is_begun_again_by(&answer) => Begun::new(answer),
            Some(_) => {
                return Err(Stopped::Lost(cut(Why::Unreachable, "gone on with by an answer that is not its rest")));
            }
        };
        if let Some(bytes) = begun.length.filter(|bytes| *bytes > bytes_max) {
            return Err(Stopped::For(Got::TooLarge(bytes)));
        }
        let until = *until.get_or_insert_with(|| tokio::time::Instant::now() + self.limits.total);
        read(begun, stream, bytes_max, self.limits.attempt, until).await
    }
}

/// Reads what is coming, whose every piece has `pause` to come, and all of it `until` then.
async fn read(
    mut begun: Begun,
    mut stream: aws_sdk_s3::primitives::ByteStream,
    bytes_max: u64,
    pause: Duration,
    until: Instant,
) -> Result<Begun, Stopped> {
    loop {
        let patience = pause.min(until.saturating_duration_since(tokio::time::Instant::now()));
        let failure = match timeout(patience, stream.next()).await {
            Ok(Some(Ok(piece))) => {
                begun.body.extend_from_slice(&piece);
                let come = begun.body.len() as u64;
                if come > bytes_max {
                    return Err(Stopped::For(Got::TooLarge(come)));
                }
                if begun.length.is_some_and(|length| come > length) {
                    return Err(Stopped::Lost(cut(Why::Unreachable, "longer than announced")));
                }
                continue;
            }
            Ok(None) if begun.length.is_some_and(|length| length != begun.body.len() as u64) => {
                cut(Why::Unreachable, "shorter than announced")
            }
            Ok(None) if !begun.is_sound() => {
                return Err(Stopped::Lost(cut(Why::Unreachable, "put together to something else")));
            }
            Ok(None) => return Ok(begun),
            Ok(Some(Err(error))) => cut(Why::Unreachable, &format!("cut: {error}")),
            Err(_) => cut(Why::TimedOut, "not whole in time"),
        };
        return Err(Stopped::Cut(Box::new(begun), failure));
    }
}
