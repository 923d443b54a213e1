//! The rules of HTTP caching as tables: one row, one message or pair of messages, one verdict.

mod behaviours;
mod conditions;
mod directives;
mod freshness;
mod laws;
mod packed;
mod reuse;
mod selecting;
mod storing;
mod support;
mod validation;
