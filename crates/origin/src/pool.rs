//! Connections that wait for their next exchange. One is taken back only after an exchange that ended cleanly, and handed
//! out only while hyper says that nothing unexpected has come in since.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afterimage_identity::{Clock, Stamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::breaker::Ticket;
use crate::connect::Connection;
use crate::endpoint::Endpoint;
use crate::{Error, Limits};

/// How long a connection may take to show that it is ready again: its driver only has to be polled once.
const READY_WAIT: Duration = Duration::from_millis(20);

struct Idle {
    endpoint: Endpoint,
    since: Stamp,
    connection: Connection,
}

pub(crate) struct Pool {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

impl Pool {
    pub(crate) fn new(limits: Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(limits.connections_max));
        Arc::new(Self { permits, idle: Mutex::default(), clock, limits })
    }

    /// The right to use one connection.
    pub(crate) async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permit = self.permits.clone().acquire_owned();
        match tokio::time::timeout(self.limits.connection_wait, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Error::Busy),
        }
    }

    /// The connection used last that still works: those used longest ago are the likeliest to be closed at the other end.
    pub(crate) async fn take(&self, endpoint: &Endpoint) -> Option<Connection> {
        loop {
            let mut connection = self.pop(endpoint)?;
            // An error means closed, or surplus bytes after the last answer.
            if matches!(tokio::time::timeout(READY_WAIT, connection.sender.ready()).await, Ok(Ok(()))) {
                return Some(connection);
            }
        }
    }

    fn pop(&self, endpoint: &Endpoint) -> Option<Connection> {
        let mut idle = self.lock();
        self.drop_old(&mut idle);
        let at = idle.iter().rposition(|idle| idle.endpoint == *endpoint)?;
        Some(idle.remove(at).connection)
    }

    fn put(&self, endpoint: Endpoint, connection: Connection) {
        if connection.sender.is_closed() || self.limits.idle_connections_max == 0 {
            return;
        }
        let since = self.clock.now();
        let mut idle = self.lock();
        self.drop_old(&mut idle);
        if idle.len() >= self.limits.idle_connections_max {
            idle.remove(0);
        }
        idle.push(Idle { endpoint, since, connection });
    }

    fn drop_old(&self, idle: &mut Vec<Idle>) {
        let now = self.clock.now();
        idle.retain(|idle| {
            now.since(idle.since) < self.limits.idle_connection_age && !idle.connection.sender.is_closed()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection in use, until its answer's body is over. Dropped, the connection is closed.
pub(crate) struct Lease {
    pub(crate) pool: Arc<Pool>,
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    pub(crate) ticket: Ticket,
    pub(crate) _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// The exchange ended cleanly.
    pub(crate) fn give_back(self) {
        self.ticket.succeeded();
        self.pool.put(self.endpoint, self.connection);
    }

    /// It did not.
    pub(crate) fn failed(self, error: &Error) {
        if error.counts_against_origin() {
            self.ticket.failed();
        }
    }
}
