//! The documents that clients of CloudFront send to have something forgotten.

use afterimage_control::fuzzing::invalidation_items;

use crate::{Manner, Target};

pub(crate) const TARGET: Target = Target {
    name: "invalidation",
    run: |_how, bytes| match invalidation_items(bytes) {
        Some(items) => {
            assert!(items > 0, "a batch of nothing");
            true
        }
        None => false,
    },
    seeds: || SEEDS.iter().map(|seed| seed.as_bytes().to_vec()).collect(),
    manner: Manner { special: b"<>/&;!?[]\"'=*#%\x00", end: b"</InvalidationBatch>", head_bytes: 0 },
};

const SEEDS: &[&str] = &[
    r#"<?xml version="1.0" encoding="UTF-8"?><InvalidationBatch xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Paths><Quantity>2</Quantity><Items><Path>/p/a.jpg*</Path><Path>/p/b%20c.jpg?w=1</Path></Items></Paths><CallerReference>r-1</CallerReference></InvalidationBatch>"#,
    "<InvalidationBatch><CallerReference>r</CallerReference><Paths><Items><Path>#tag-1</Path></Items><Quantity>1</Quantity></Paths></InvalidationBatch>",
    "<!DOCTYPE x><a:InvalidationBatch xmlns:a=\"x\"><!-- c --><Paths><Quantity>1</Quantity><Items><Path><![CDATA[/*]]></Path></Items></Paths><CallerReference>&amp;&#x41;</CallerReference></a:InvalidationBatch>",
];
