//! What HTTP says about caching, as pure functions: RFC 9111 with its extensions (RFC 5861, 9211, 9213), conditions and
//! ranges (RFC 9110), and CloudFront's behaviours. Time is an argument. Nothing here fetches, stores or waits; whoever
//! does asks here first. Where a message is in doubt, the answer is the one that keeps less.

mod behaviour;
mod condition;
mod directive;
mod fields;
mod freshness;
mod invalidate;
mod packed;
mod range;
mod reuse;
mod status;
mod stored;
mod storing;
mod validate;
mod vary;

pub use behaviour::{Behaviour, ErrorTtl, Keep, KeyParts, Pattern, Ttl};
pub use condition::{Condition, any_tag_matches, evaluate};
pub use directive::{Directives, Listed, MaxStale};
pub use fields::{TAG_FIELDS, as_its_own_method, forwardable_request, forwardable_response, tags};
pub use freshness::{Policy, Times, age_of};
pub use invalidate::invalidated;
pub use range::{Wanted, if_range_holds, wanted};
pub use reuse::{Reuse, ask_alone, reuse};
pub use status::{Forwarded, Report};
pub use stored::Stored;
pub use storing::{NotStored, storable};
pub use validate::{Freshened, freshen, head_says, with_validators};
pub use vary::{Varies, secondary, selecting};
