//! Outer caches that can be told to forget: CloudFront, another afterimage edge, Cloudflare, Varnish, and whoever takes a
//! signed webhook. One queue serves them all: what many purges want forgotten at once goes out together, within the quotas
//! of [`LIMITS`], and is written down before it is sent, so that a fresh process neither loses nor repeats it. Nothing here
//! says that something is forgotten before the other side has said so.

mod call;
mod carry;
mod cloudflare;
#[cfg(feature = "cloudfront")]
mod cloudfront;
mod config;
mod desk;
mod far;
mod item;
mod layer;
mod limits;
mod outbox;
mod rate;
mod reach;
mod varnish;
mod waiting;
mod webhook;
mod widen;

pub use config::{CloudFront, Cloudflare, Config, Credentials, Kind, Pace, Varnish, Webhook};
pub use item::Item;
pub use layer::Layer;
pub use limits::{LIMITS, Limits, Plan};
pub use reach::By;
pub use webhook::signature;
