//! Why something that was heard means no work. Each reason is counted, and its word stands in logs and metrics.

/// Why a record is not acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// The bucket tells that notifications were set up.
    Test,
    /// No event that is known.
    UnknownName,
    /// It comes from no bucket.
    OtherService,
    /// A bucket that is no source of ours.
    OtherBucket,
    /// A bucket of ours, outside the prefixes that are sources.
    OtherPrefix,
    /// One of our own derivatives: what we delete never makes work.
    Derivative,
    /// A key that no original can have, such as a folder's marker.
    NotAKey,
    /// An archived object was made readable for a while, or is not any more.
    Restored,
    /// Tags were changed.
    Tagged,
    /// Who may read it was changed.
    AccessChanged,
    /// Retention or legal hold was changed.
    Locked,
    /// A copy was made elsewhere, or could not be.
    Replicated,
    /// It lies in another storage class now.
    StorageClass,
    /// Somebody read it.
    Accessed,
}

impl Ignored {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::Test,
        Self::UnknownName,
        Self::OtherService,
        Self::OtherBucket,
        Self::OtherPrefix,
        Self::Derivative,
        Self::NotAKey,
        Self::Restored,
        Self::Tagged,
        Self::AccessChanged,
        Self::Locked,
        Self::Replicated,
        Self::StorageClass,
        Self::Accessed,
    ];

    /// Its word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::UnknownName => "unknown-name",
            Self::OtherService => "other-service",
            Self::OtherBucket => "other-bucket",
            Self::OtherPrefix => "other-prefix",
            Self::Derivative => "derivative",
            Self::NotAKey => "not-a-key",
            Self::Restored => "restored",
            Self::Tagged => "tagged",
            Self::AccessChanged => "access-changed",
            Self::Locked => "locked",
            Self::Replicated => "replicated",
            Self::StorageClass => "storage-class",
            Self::Accessed => "accessed",
        }
    }
}
