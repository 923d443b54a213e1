//! Everything that goes wrong, as CloudFront's clients know it: a code, a status and an error document. The one place
//! where refusals of this interface become statuses.

use http::StatusCode;

use super::sigv4;

/// The error codes of the API `2020-05-31` that are used here, those common to all of Amazon's services included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BatchTooLarge,
    IncompleteSignature,
    InconsistentQuantities,
    InternalError,
    InvalidArgument,
    InvalidClientTokenId,
    InvalidationBatchAlreadyExists,
    MalformedXml,
    MissingAuthenticationToken,
    MissingBody,
    NoSuchDistribution,
    NoSuchInvalidation,
    NotImplemented,
    SignatureDoesNotMatch,
    TooManyInvalidationsInProgress,
}

impl Code {
    /// The word on the wire and the status.
    pub(crate) fn row(self) -> (&'static str, StatusCode) {
        match self {
            Self::BatchTooLarge => ("BatchTooLarge", StatusCode::PAYLOAD_TOO_LARGE),
            Self::IncompleteSignature => ("IncompleteSignature", StatusCode::BAD_REQUEST),
            Self::InconsistentQuantities => ("InconsistentQuantities", StatusCode::BAD_REQUEST),
            Self::InternalError => ("InternalError", StatusCode::INTERNAL_SERVER_ERROR),
            Self::InvalidArgument => ("InvalidArgument", StatusCode::BAD_REQUEST),
            Self::InvalidClientTokenId => ("InvalidClientTokenId", StatusCode::FORBIDDEN),
            // In no model; the siblings that say so of other resources are conflicts.
            Self::InvalidationBatchAlreadyExists => ("InvalidationBatchAlreadyExists", StatusCode::CONFLICT),
            Self::MalformedXml => ("MalformedXML", StatusCode::BAD_REQUEST),
            Self::MissingAuthenticationToken => ("MissingAuthenticationToken", StatusCode::FORBIDDEN),
            Self::MissingBody => ("MissingBody", StatusCode::BAD_REQUEST),
            Self::NoSuchDistribution => ("NoSuchDistribution", StatusCode::NOT_FOUND),
            Self::NoSuchInvalidation => ("NoSuchInvalidation", StatusCode::NOT_FOUND),
            Self::NotImplemented => ("NotImplemented", StatusCode::NOT_IMPLEMENTED),
            Self::SignatureDoesNotMatch => ("SignatureDoesNotMatch", StatusCode::FORBIDDEN),
            Self::TooManyInvalidationsInProgress => ("TooManyInvalidationsInProgress", StatusCode::BAD_REQUEST),
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<sigv4::Refusal> for Fault {
    fn from(refusal: sigv4::Refusal) -> Self {
        match refusal {
            sigv4::Refusal::Missing => Self::new(
                Code::MissingAuthenticationToken,
                "Request is missing Authentication Token: sign it (AWS4-HMAC-SHA256, in the header Authorization) with a key of \
                 admin.access_keys",
            ),
            sigv4::Refusal::Incomplete(words) => Self::new(Code::IncompleteSignature, words),
            sigv4::Refusal::UnknownKey => Self::new(
                Code::InvalidClientTokenId,
                "The security token included in the request is invalid: no key of this id is in admin.access_keys",
            ),
            sigv4::Refusal::Mismatch(words) => Self::new(Code::SignatureDoesNotMatch, words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_the_model() {
        for (code, word, status) in [
            (Code::BatchTooLarge, "BatchTooLarge", 413),
            (Code::InconsistentQuantities, "InconsistentQuantities", 400),
            (Code::InvalidArgument, "InvalidArgument", 400),
            (Code::MissingBody, "MissingBody", 400),
            (Code::NoSuchDistribution, "NoSuchDistribution", 404),
            (Code::NoSuchInvalidation, "NoSuchInvalidation", 404),
            (Code::TooManyInvalidationsInProgress, "TooManyInvalidationsInProgress", 400),
            // Common to all services.
            (Code::IncompleteSignature, "IncompleteSignature", 400),
            (Code::InvalidClientTokenId, "InvalidClientTokenId", 403),
            (Code::MissingAuthenticationToken, "MissingAuthenticationToken", 403),
            (Code::SignatureDoesNotMatch, "SignatureDoesNotMatch", 403),
            (Code::MalformedXml, "MalformedXML", 400),
            (Code::InternalError, "InternalError", 500),
            (Code::NotImplemented, "NotImplemented", 501),
            (Code::InvalidationBatchAlreadyExists, "InvalidationBatchAlreadyExists", 409),
        ] {
            assert_eq!((code.row().0, code.row().1.as_u16()), (word, status));
        }
    }
}
