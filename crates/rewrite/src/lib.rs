//! The rewrite in front of CloudFront's cache, made from the same rules that the server uses: JavaScript that turns every
//! spelling of a wish into its canonical path, drops the query and refuses what the policy refuses.
//!
//! The files of `template/` hold the code, one after the other, with the parts that a policy may not need between directives. [`generate`] chooses the parts,
//! puts the policy in and takes away what only readers need. Everything here is pure. It must never say of a request what
//! `variant` does not: whatever it cannot say the same of is an [`Obstacle`].

mod policy;
mod repeated;
mod shrink;
mod template;
mod tokens;

pub use policy::EdgePolicy;

use policy::Part;

/// The most bytes that CloudFront takes (its quota "Maximum function size").
pub const FUNCTION_BYTES_MAX: usize = 10_240;

/// The longest value in a KeyValueStore, in bytes.
pub const ITEM_BYTES_MAX: usize = 1_024;

const IMPORT: &str = "import cf from 'cloudfront';\n";

const TEMPLATE: &str = concat!(
    include_str!("template/policy.js"),
    include_str!("template/query.js"),
    include_str!("template/values.js"),
    include_str!("template/box.js"),
    include_str!("template/format.js"),
    include_str!("template/names.js"),
    include_str!("template/signatures.js"),
    include_str!("template/handler.js"),
);

/// Why there is no such function, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Another grammar than the primary one.
    #[error(
        "imgproxy.path = \"{path}\": the function does not read imgproxy's URLs; leave the front out of this configuration, and give its path a cache behaviour of its own that leads to a server"
    )]
    Front {
        /// Below which path it is.
        path: String,
    },
    /// A key that does not fit into an item of the store.
    #[error(
        "signing.keys: the secret of \"{name}\" with its scheme has {bytes} bytes; an item of a KeyValueStore has at most {ITEM_BYTES_MAX}"
    )]
    Secret {
        /// The key's name.
        name: String,
        /// How long the item would be.
        bytes: usize,
    },
    /// More than CloudFront takes.
    #[error("the function has {bytes} bytes; CloudFront takes at most {FUNCTION_BYTES_MAX}. {costs}")]
    TooLarge {
        /// How large it came out.
        bytes: usize,
        /// What costs how much, the most first, in words.
        costs: String,
    },
}

/// The function as it is uploaded.
///
/// # Errors
/// Everything that stands against it.
pub fn generate(policy: &EdgePolicy) -> Result<String, Vec<Obstacle>> {
    let mut obstacles = policy.obstacles();
    let code = uploaded(policy, &policy.parts());
    if code.len() > FUNCTION_BYTES_MAX {
        obstacles.push(Obstacle::TooLarge { bytes: code.len(), costs: costs(policy, code.len()) });
    }
    if obstacles.is_empty() { Ok(code) } else { Err(obstacles) }
}

/// The same function for readers: with its comments and names, and as large as it comes out.
///
/// # Errors
/// What [`generate`] would say, except of its size.
pub fn readable(policy: &EdgePolicy) -> Result<String, Vec<Obstacle>> {
    let obstacles = policy.obstacles();
    if obstacles.is_empty() { Ok(template::fill(TEMPLATE, &policy.parts(), &policy.values())) } else { Err(obstacles) }
}

fn uploaded(policy: &EdgePolicy, parts: &[Part]) -> String {
    let code = shrink::shrink(&template::fill(TEMPLATE, parts, &policy.values()));
    // As CloudFront's documentation spells it, on a line of its own: who knows what looks for it.
    code.replacen("import cf from'cloudfront';", IMPORT, 1)
}

/// What each thing that a policy can do without costs, the most first.
fn costs(policy: &EdgePolicy, bytes: usize) -> String {
    let mut costs: Vec<(usize, String)> = policy
        .dispensable()
        .into_iter()
        .map(|(what, without)| (bytes - uploaded(&without, &without.parts()).len().min(bytes), what))
        .filter(|(cost, _)| *cost > 0)
        .collect();
    costs.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
    let list: Vec<String> = costs.into_iter().map(|(cost, what)| format!("{what}: {cost} bytes")).collect();
    format!("What can be left out, each for itself: {}", list.join("; "))
}
