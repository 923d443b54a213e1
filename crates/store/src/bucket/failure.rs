//! What a bucket's refusals and silences mean. One rule above all: only an answer that says that this very key is not there
//! proves an absence.

use afterimage_identity::Unprovable;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::Error;

/// Why a call came to nothing, as far as anybody can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The bucket says that the key is not there.
    Absent,
    /// Something is not there: the key or the whole bucket. A HEAD has no body to say which.
    AbsentOrNoBucket,
    /// There is no such bucket.
    NoBucket,
    /// The caller may not.
    Refused,
    /// A condition did not hold: somebody wrote in between.
    Changed,
    /// No answer in time.
    TimedOut,
    /// No answer, or one that says to come back later.
    Unreachable,
    /// The server does not know this call.
    Unsupported,
    /// Anything else.
    Other,
}

/// A call that came to nothing.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) why: Why,
    /// The server's word for it, where it has one.
    pub(super) code: Option<String>,
    /// What was called, and what was answered.
    pub(super) words: String,
}

impl Failure {
    pub(super) fn new(why: Why, words: impl Into<String>) -> Self {
        Self { why, code: None, words: words.into() }
    }

    /// Reads what the SDK says after its last try.
    pub(super) fn of<E>(call: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = error.code().map(str::to_owned);
        let answer = error.raw_response();
        let status = answer.map(|answer| answer.status().as_u16());
        let marked = answer.and_then(|answer| answer.headers().get("x-amz-delete-marker")) == Some("true");
        let elsewhere = answer.and_then(|answer| answer.headers().get("x-amz-bucket-region")).map(str::to_owned);
        let why = match &error {
            SdkError::TimeoutError(_) => Why::TimedOut,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Why::TimedOut,
            SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => Why::Unreachable,
            SdkError::ServiceError(_) => status.map_or(Why::Other, |status| why(status, code.as_deref(), marked)),
            _ => Why::Other,
        };
        let mut words = match (&code, status) {
            (Some(code), Some(status)) => format!("{call}: {status} {code}"),
            (None, Some(status)) => format!("{call}: {status}"),
            _ => format!("{call}: {}", DisplayErrorContext(&error)),
        };
        if let Some(message) = error.message().filter(|_| status.is_some()) {
            words.push_str(&format!(": {message}"));
        }
        if let Some(region) = elsewhere.filter(|_| matches!(status, Some(301 | 307 | 400))) {
            words.push_str(&format!("; the bucket is in the region {region}"));
        }
        Self { why, code, words }
    }

    /// Whether the same call may succeed later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.why, Why::TimedOut | Why::Unreachable)
    }

    /// Whether there is nothing at the bytes that were asked for.
    pub(super) fn is_no_range(&self) -> bool {
        self.code.as_deref() == Some("InvalidRange")
    }

    /// What it proves of an object that was read: of originals, nothing but an absence.
    pub(super) fn of_reading(self) -> Error {
        let unprovable = match self.why {
            Why::Absent => return Error::NotFound,
            // The place itself is not the one seen at start.
            Why::NoBucket => Unprovable::RootChanged,
            Why::Refused => Unprovable::Refused,
            Why::Changed => Unprovable::Unstable,
            Why::TimedOut => Unprovable::TimedOut,
            Why::Unreachable => Unprovable::Unreachable,
            Why::AbsentOrNoBucket | Why::Unsupported | Why::Other => Unprovable::Other(self.words.clone()),
        };
        tracing::warn!(answer = self.words, "a bucket cannot say what is there");
        Error::Unprovable(unprovable)
    }

    /// What it means for a place that is written.
    pub(super) fn of_writing(self) -> Error {
        match self.why {
            Why::Absent => Error::NotFound,
            _ => Error::Io { why: self.words },
        }
    }
}

pub(super) fn why(status: u16, code: Option<&str>, marked: bool) -> Why {
    match (status, code) {
        (_, Some("NoSuchBucket")) => Why::NoBucket,
        (404, Some("NoSuchKey" | "NoSuchVersion")) => Why::Absent,
        // A delete marker stands in a bucket that is there.
        (404, _) if marked => Why::Absent,
        (404, None | Some("NotFound")) => Why::AbsentOrNoBucket,
        (_, Some("SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout" | "OperationAborted")) => {
            Why::Unreachable
        }
        // An archived object is there; nobody may read it before it is restored.
        (403, Some("InvalidObjectState")) => Why::Other,
        (401 | 403, _) => Why::Refused,
        (409 | 412, _) => Why::Changed,
        (405 | 501, _) | (_, Some("NotImplemented" | "MethodNotAllowed")) => Why::Unsupported,
        (429 | 500..=599, _) => Why::Unreachable,
        _ => Why::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_that_is_said_to_be_missing_is_absent() {
        for (status, code, marked, expected) in [
            (404, Some("NoSuchKey"), false, Why::Absent),
            (404, None, true, Why::Absent),
            (404, None, false, Why::AbsentOrNoBucket),
            (404, Some("NotFound"), false, Why::AbsentOrNoBucket),
            (404, Some("NoSuchBucket"), false, Why::NoBucket),
            (404, Some("NoSuchUpload"), false, Why::Other),
            (403, Some("AccessDenied"), false, Why::Refused),
            (403, None, false, Why::Refused),
            (403, Some("InvalidObjectState"), false, Why::Other),
            (401, None, false, Why::Refused),
            (301, Some("PermanentRedirect"), false, Why::Other),
            (400, Some("AuthorizationHeaderMalformed"), false, Why::Other),
            (400, Some("RequestTimeout"), false, Why::Unreachable),
            (412, Some("PreconditionFailed"), false, Why::Changed),
            (409, Some("ConditionalRequestConflict"), false, Why::Changed),
            (409, Some("OperationAborted"), false, Why::Unreachable),
            (429, None, false, Why::Unreachable),
            (500, Some("InternalError"), false, Why::Unreachable),
            (501, Some("NotImplemented"), false, Why::Unsupported),
            (503, Some("SlowDown"), false, Why::Unreachable),
            (599, None, false, Why::Unreachable),
        ] {
            assert_eq!(why(status, code, marked), expected, "{status} {code:?} {marked}");
        }
    }

    #[test]
    fn what_is_not_an_absence_is_never_read_as_one() {
        for (why, expected) in [
            (Why::AbsentOrNoBucket, Unprovable::Other("x".into())),
            (Why::NoBucket, Unprovable::RootChanged),
            (Why::Refused, Unprovable::Refused),
            (Why::Changed, Unprovable::Unstable),
            (Why::TimedOut, Unprovable::TimedOut),
            (Why::Unreachable, Unprovable::Unreachable),
            (Why::Unsupported, Unprovable::Other("x".into())),
            (Why::Other, Unprovable::Other("x".into())),
        ] {
            assert_eq!(Failure::new(why, "x").of_reading(), Error::Unprovable(expected), "{why:?}");
            assert_eq!(Failure::new(why, "x").of_writing(), Error::Io { why: "x".into() }, "{why:?}");
        }
        assert_eq!(Failure::new(Why::Absent, "x").of_reading(), Error::NotFound);
        assert_eq!(Failure::new(Why::Absent, "x").of_writing(), Error::NotFound);
    }
}
