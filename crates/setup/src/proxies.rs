//! Whose word about the viewer is taken.

use afterimage_origin::Cidr;

use crate::mistake::Mistake;
use crate::table::Settings;
use crate::value::quoted;

impl Settings {
    /// The addresses of proxies whose word is taken.
    pub fn trusted_proxies(&self) -> Vec<Cidr> {
        // What cannot be read was reported, and such settings are not used.
        self.server.trusted_proxies.iter().filter_map(|range| range.parse().ok()).collect()
    }
}

pub(crate) fn mistakes(settings: &Settings) -> Vec<Mistake> {
    let wrong = |range: &String| {
        let remedy = range.parse::<Cidr>().err()?;
        Some(Mistake::new("server.trusted_proxies", Some(quoted(range)), remedy))
    };
    settings.server.trusted_proxies.iter().filter_map(wrong).collect()
}
