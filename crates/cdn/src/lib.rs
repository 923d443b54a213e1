//! Invalidations outward, behind [`afterimage_identity::Invalidate`].
