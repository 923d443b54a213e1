//! This edge as a distribution, as far as clients ask for one before they invalidate: what the schema requires, nothing
//! that could be taken for a setting.

use std::time::SystemTime;

use super::document::{Element, time};

/// What is said about the one distribution.
#[derive(Clone, Debug)]
pub(crate) struct Distribution<'a> {
    pub(crate) id: &'a str,
    /// Where pictures are served: host and port.
    pub(crate) domain: &'a str,
    pub(crate) since: SystemTime,
    pub(crate) in_progress: usize,
}

/// The header that carries tags.
const TAG_HEADER: &str = "Cache-Tag";

impl Distribution<'_> {
    /// The revision of its configuration. It never changes here.
    pub(crate) const ETAG: &'static str = "E1AFTERIMAGE";

    fn arn(&self) -> String {
        format!("arn:aws:cloudfront::000000000000:distribution/{}", self.id)
    }

    fn head(&self) -> [Element; 4] {
        [
            Element::text("Id", self.id),
            Element::text("ARN", self.arn()),
            Element::text("Status", "Deployed"),
            Element::text("LastModifiedTime", time(self.since)),
        ]
    }

    pub(crate) fn whole(&self) -> Element {
        let signers = |name| Element::new(name, [Element::text("Enabled", false), Element::text("Quantity", 0)]);
        let rest = [
            Element::text("InProgressInvalidationBatches", self.in_progress),
            Element::text("DomainName", self.domain),
            signers("ActiveTrustedSigners"),
            signers("ActiveTrustedKeyGroups"),
            self.config(),
        ];
        Element::new("Distribution", self.head().into_iter().chain(rest))
    }

    pub(crate) fn config(&self) -> Element {
        let children = std::iter::once(Element::text("CallerReference", self.id)).chain(self.common());
        let tags = Element::new("CacheTagConfig", [Element::text("HeaderName", TAG_HEADER)]);
        Element::new("DistributionConfig", children.chain([tags]))
    }

    pub(crate) fn list(&self, marker: &str, items_max: usize, shown: bool) -> Element {
        let summary = || {
            let rest = [Element::text("DomainName", self.domain), Element::text("ETag", Self::ETAG)];
            Element::new("DistributionSummary", self.head().into_iter().chain(rest).chain(self.common()))
        };
        let mut children = vec![
            Element::text("Marker", marker),
            Element::text("MaxItems", items_max),
            Element::text("IsTruncated", false),
            Element::text("Quantity", usize::from(shown)),
        ];
        children.extend(shown.then(|| Element::new("Items", [summary()])));
        Element::new("DistributionList", children)
    }

    /// What configuration and summary both have.
    fn common(&self) -> Vec<Element> {
        let nothing = |name| Element::list(name, Vec::new());
        let origin = Element::new(
            "Origin",
            [
                Element::text("Id", "originals"),
                Element::text("DomainName", "originals.invalid"),
                Element::text("OriginPath", ""),
            ],
        );
        let behaviour =
            [Element::text("TargetOriginId", "originals"), Element::text("ViewerProtocolPolicy", "allow-all")];
        let restriction = [Element::text("RestrictionType", "none"), Element::text("Quantity", 0)];
        vec![
            nothing("Aliases"),
            Element::list("Origins", vec![origin]),
            Element::new("DefaultCacheBehavior", behaviour),
            nothing("CacheBehaviors"),
            nothing("CustomErrorResponses"),
            Element::text("Comment", "an afterimage edge"),
            Element::text("PriceClass", "PriceClass_All"),
            Element::text("Enabled", true),
            Element::new("ViewerCertificate", [Element::text("CloudFrontDefaultCertificate", true)]),
            Element::new("Restrictions", [Element::new("GeoRestriction", restriction)]),
            Element::text("WebACLId", ""),
            Element::text("HttpVersion", "http2"),
            Element::text("IsIPV6Enabled", true),
            Element::text("Staging", false),
        ]
    }
}
