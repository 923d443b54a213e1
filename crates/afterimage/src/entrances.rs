//! The doors of all listeners together: opened before anything is bound, looked at again when told to, read by metrics.

use afterimage_control::{Listener, Meters, Origin};
use afterimage_identity::Invalidate;
use afterimage_setup::{AskedServer, Mistake, Settings, Wired};
use tokio::task::JoinSet;

use crate::entrance::Entrance;
use crate::exit::Exit;
use crate::forwarded::Trusted;
use crate::instance::list;
use crate::tls::{Files, Tls};

#[derive(Clone)]
pub struct Entrances {
    pub pictures: Entrance,
    pub operator: Entrance,
    pub socket: Entrance,
}

impl Entrances {
    /// Reads certificates and keys.
    ///
    /// # Errors
    /// Those that cannot be used.
    pub fn open(settings: &Settings) -> Result<Self, Exit> {
        let wrong = |mistake: Mistake| Exit::Configuration(list(&[mistake]));
        let trusted = Trusted { proxies: settings.trusted_proxies(), by: settings.server.forwarded };
        Ok(Self {
            pictures: Entrance::trusting(Tls::open(Files::of_server(settings)).map_err(wrong)?, trusted),
            operator: Entrance::new(Tls::open(Files::of_admin(settings)).map_err(wrong)?),
            socket: Entrance::new(Tls::open(None).map_err(wrong)?),
        })
    }

    /// Looks at certificates and keys now.
    pub fn look(&self) {
        self.pictures.tls.look();
        self.operator.tls.look();
    }

    /// Looks at them again and again, until what this returns is dropped.
    pub fn watch(&self) -> JoinSet<()> {
        [self.pictures.tls.clone(), self.operator.tls.clone()].map(Tls::watch).into_iter().collect()
    }

    /// What listeners and upstream servers count.
    pub fn meters(&self, settings: &Settings, wired: &Wired) -> Meters {
        let (all, open_max) = (self.clone(), settings.server.connections_max);
        let servers = wired.servers.clone();
        let listeners = move || -> Vec<Listener> {
            vec![
                all.pictures.counts("pictures", open_max),
                all.operator.counts("operator", open_max),
                all.socket.counts("socket", open_max),
            ]
        };
        let outer = wired.outer.clone();
        let crowded = move || outer.iter().map(|layer| (layer.name().to_owned(), layer.crowded())).collect();
        Meters {
            listeners: Box::new(listeners),
            origins: Box::new(move || origins(&servers)),
            crowded: Box::new(crowded),
        }
    }
}

/// One row for each URL and purpose, however often it is configured.
fn origins(servers: &[AskedServer]) -> Vec<Origin> {
    let mut rows: Vec<Origin> = Vec::new();
    for server in servers {
        let ((url, purpose), (counts, originals)) = (server.name(), server.counts());
        let at = rows.iter().position(|row| row.url == url && row.purpose == purpose).unwrap_or_else(|| {
            rows.push(Origin { url: url.to_owned(), purpose, ..Origin::default() });
            rows.len() - 1
        });
        let row = &mut rows[at];
        row.requests += counts.requests;
        row.retries += counts.retries;
        row.failures += counts.failures;
        row.left_alone += counts.left_alone;
        row.etag_flaps += originals.flaps;
    }
    rows
}
