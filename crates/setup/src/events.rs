//! The events of buckets: which objects are originals, and how word of them comes in.

use std::sync::Arc;

use afterimage_events::{Intake, Originals, Place, Places, Signatures, Webhook};
use afterimage_identity::Clock;
use afterimage_purge::{Purger, Taker};

use crate::value::quoted;
use crate::{Mistake, Settings, Source};

/// What the settings say about the events of buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsWiring {
    /// Which objects matter.
    pub places: Places,
    /// The topics that may deliver.
    pub sns_topics: Vec<String>,
    /// The queue, if there is one.
    #[cfg(feature = "sqs")]
    pub queue: Option<afterimage_events::QueueConfig>,
}

/// The doors through which events come in.
pub struct Events {
    /// Deliveries over HTTP.
    pub webhook: Arc<Webhook>,
    /// The reader of the queue, to be run.
    #[cfg(feature = "sqs")]
    pub queue: Option<Arc<afterimage_events::Consumer>>,
}

impl EventsWiring {
    /// Joins the doors to the write story.
    #[cfg_attr(not(feature = "tls"), allow(unused_variables))] // The clock is for fetching certificates.
    pub(crate) fn open(&self, purger: &Arc<Purger>, clock: &Arc<dyn Clock>) -> Events {
        let intake = Arc::new(Intake::new(self.places.clone(), Arc::new(Taker::new(purger.clone()))));
        #[cfg(feature = "tls")]
        let signatures = (!self.sns_topics.is_empty()).then(|| {
            let fetch = Arc::new(crate::fetch::Fetching(clock.clone()));
            Arc::new(afterimage_events::Topics::new(self.sns_topics.clone(), fetch)) as Arc<dyn Signatures>
        });
        #[cfg(not(feature = "tls"))]
        let signatures: Option<Arc<dyn Signatures>> = None;
        Events {
            webhook: Arc::new(Webhook::new(intake.clone(), signatures)),
            #[cfg(feature = "sqs")]
            queue: self.queue.clone().map(|config| Arc::new(afterimage_events::Consumer::new(config, intake))),
        }
    }
}

/// An entry of `events.buckets`.
fn originals(text: &str) -> Result<Originals, String> {
    let (place, below) = text.split_once(' ').unwrap_or((text, ""));
    Ok(Originals { place: Place::parse(place)?, below: below.trim().to_owned() })
}

impl Settings {
    /// Which objects of which buckets are originals: those of sources that are buckets, and those that are named.
    fn original_places(&self, root: Option<&Source>) -> Vec<Originals> {
        let place = |source: &Source| Place::parse(source.to_string().strip_prefix("s3://")?).ok();
        let at_root = root.and_then(place).map(|place| Originals { place, below: String::new() });
        let mounts = self.mounts();
        let mounted = mounts
            .iter()
            .filter_map(|mount| Some(Originals { place: place(&mount.source)?, below: mount.prefix.clone() }));
        let named = self.events.buckets.iter().filter_map(|text| originals(text).ok());
        at_root.into_iter().chain(mounted).chain(named).collect()
    }

    /// Whether buckets are heard, by whatever way.
    pub fn hears_buckets(&self) -> bool {
        !self.original_places(self.root_source().as_ref()).is_empty()
    }

    /// How events of buckets come in; `None` where no bucket is named.
    pub(crate) fn events_wiring(&self, root: &Source) -> Option<EventsWiring> {
        let originals = self.original_places(Some(root));
        let own = self.events.derivatives.iter().chain(&self.derivatives.url);
        let derivatives = own.filter_map(|text| Place::parse(text).ok()).collect();
        (!originals.is_empty()).then(|| EventsWiring {
            places: Places { source: self.source.name.clone(), originals, derivatives },
            sns_topics: self.events.sns_topics.clone(),
            #[cfg(feature = "sqs")]
            queue: self.events.sqs_url.clone().map(|url| afterimage_events::QueueConfig {
                url,
                endpoint: self.events.sqs_endpoint.clone(),
                region: self.events.sqs_region.clone(),
                profile: self.events.sqs_profile.clone(),
            }),
        })
    }
}

/// Who tells of changes in buckets, and how, for the promise.
pub(crate) fn told_by(settings: &Settings) -> Vec<(&'static str, String)> {
    let events = &settings.events;
    let mut lines = Vec::new();
    if let Some(url) = &events.sqs_url {
        let how =
            format!("{url}; a message stays there until what follows is fenced and written down (events.sqs_url)");
        lines.push(("a queue", how));
    }
    let topics = match events.sns_topics.len() {
        0 => String::new(),
        1 => ", and 1 topic of SNS by its signature".to_owned(),
        topics => format!(", and {topics} topics of SNS by their signatures"),
    };
    let who =
        if events.token.is_some() { "whoever shows events.token" } else { "whoever the operator's listener lets in" };
    lines.push(("deliveries", format!("to POST /events on {}: {who}{topics}", settings.admin.listen)));
    lines
}

/// What is wrong with them.
pub(crate) fn mistakes(settings: &Settings) -> Vec<Mistake> {
    let events = &settings.events;
    let mut found = Vec::new();
    let mut wrong = |key: &str, value: &str, remedy: String| found.push(Mistake::new(key, Some(quoted(value)), remedy));
    let mounts = settings.mounts();
    for text in &events.buckets {
        match originals(text) {
            Err(remedy) => wrong("events.buckets", text, remedy),
            Ok(Originals { below, .. }) if !below.is_empty() && !mounts.iter().any(|mount| mount.prefix == below) => {
                let remedy = format!("nothing is mounted below \"{below}\"; add it to source.mounts, or leave it out");
                wrong("events.buckets", text, remedy);
            }
            Ok(_) => {}
        }
    }
    if (1..1_000).contains(&settings.purge.reconcile_requests_max) {
        let value = settings.purge.reconcile_requests_max.to_string();
        let remedy = "fewer than one page and its originals; write at least 1000, or 0 for no bound";
        wrong("purge.reconcile_requests_max", &value, remedy.to_owned());
    }
    for text in &events.derivatives {
        if let Err(remedy) = Place::parse(text) {
            wrong("events.derivatives", text, remedy);
        }
    }
    for topic in &events.sns_topics {
        if !(topic.starts_with("arn:") && topic.split(':').count() == 6 && topic.split(':').nth(2) == Some("sns")) {
            let remedy = "no topic; write its ARN, such as \"arn:aws:sns:eu-central-1:111122223333:pictures\"";
            wrong("events.sns_topics", topic, remedy.to_owned());
        }
    }
    let urls = [("events.sqs_url", &events.sqs_url), ("events.sqs_endpoint", &events.sqs_endpoint)];
    for (key, url) in urls.into_iter().filter_map(|(key, url)| Some((key, url.as_deref()?))) {
        if !["http://", "https://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())) {
            let remedy =
                "no URL; write it whole, such as \"https://sqs.eu-central-1.amazonaws.com/111122223333/pictures\"";
            wrong(key, url, remedy.to_owned());
        }
    }
    if let Some(topic) = events.sns_topics.first().filter(|_| !cfg!(feature = "tls")) {
        let remedy = "this build cannot fetch certificates; build it with the feature `tls`, or subscribe a queue";
        wrong("events.sns_topics", topic, remedy.to_owned());
    }
    let Some(url) = &events.sqs_url else { return found };
    if !cfg!(feature = "sqs") {
        let remedy = "this build has no client for SQS; build it with the feature `sqs`, or use POST /events";
        wrong("events.sqs_url", url, remedy.to_owned());
    }
    if !settings.hears_buckets() {
        let remedy = "nothing says which objects are originals; name their bucket in events.buckets";
        wrong("events.sqs_url", url, remedy.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;

    fn load(settings: &[(&str, &str)]) -> Result<Settings, Vec<Mistake>> {
        Settings::load(&Sources::overriding(settings))
    }

    #[test]
    fn buckets_are_named_or_are_sources_themselves() {
        let settings = load(&[
            ("events.buckets", "img/originals/, team-pictures team/"),
            ("events.derivatives", "img/derived"),
            ("source.mounts", "team/ /srv/team"),
        ])
        .unwrap();
        let wiring = settings.events_wiring(&Source::Directory("/srv/a".into())).unwrap();
        let originals =
            |place: &str, below: &str| Originals { place: Place::parse(place).unwrap(), below: below.into() };
        let named = [originals("img/originals/", ""), originals("team-pictures", "team/")];
        assert_eq!(wiring.places.originals, named);
        assert_eq!(wiring.places.derivatives, [Place::parse("img/derived/").unwrap()]);
        let of_bucket = Settings::default().events_wiring(&Source::Url("s3://img/a/".into())).unwrap();
        assert_eq!(of_bucket.places.originals, [originals("img/a/", "")]);
        assert_eq!(Settings::default().events_wiring(&Source::Directory("/srv/a".into())), None);
    }

    #[test]
    fn mistakes_name_the_setting_and_the_remedy() {
        for (settings, key, words) in [
            (&[("events.buckets", "x")][..], "events.buckets", "write BUCKET"),
            (&[("events.buckets", "img elsewhere/")], "events.buckets", "nothing is mounted"),
            (&[("events.derivatives", "img/../x")], "events.derivatives", "cannot begin a key"),
            (&[("events.sns_topics", "pictures")], "events.sns_topics", "write its ARN"),
            (&[("events.sqs_url", "pictures"), ("events.buckets", "img")], "events.sqs_url", "write it whole"),
            (&[("events.sqs_endpoint", "http://")], "events.sqs_endpoint", "write it whole"),
            (&[("events.sqs_url", "https://sqs.example/q")], "events.sqs_url", "name their bucket"),
            (&[("events.token", "short")], "events.token", "keygen"),
            (&[("purge.reconcile_requests_max", "999")], "purge.reconcile_requests_max", "at least 1000"),
        ] {
            let found = load(settings).unwrap_err();
            let named = |mistake: &Mistake| mistake.key == key && mistake.remedy.contains(words);
            assert!(found.iter().any(named), "{settings:?}: {found:?}");
        }
    }
}
