//! The seam to the DNS. What a name says is only a proposal: the address is checked when it is connected to.

use std::io;
use std::net::IpAddr;

use afterimage_identity::BoxFuture;

/// Turns a host name into addresses, in the order in which they are to be tried.
pub trait Resolve: Send + Sync {
    /// The addresses of `host` now.
    ///
    /// # Errors
    /// When none could be learnt.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's own resolver: `/etc/hosts`, DNS, whatever it is set up for.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
