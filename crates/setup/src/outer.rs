//! Outer caches, as settings name them: CloudFront, other edges, Cloudflare, Varnish, webhooks. Tables in the file;
//! elsewhere one text, in which each begins with its `name=`.

use std::fmt::Write as _;
use std::time::Duration;

use afterimage_cdn::{By, CloudFront, Cloudflare, Config, Credentials, Kind as Outer, Pace, Plan, Varnish, Webhook};

use crate::choice::unknown_word;
use crate::define::Kind;
use crate::duration::display;
use crate::list::named_tables;
use crate::mistake::Mistake;
use crate::secret::Secret;
use crate::table::Settings;
use crate::value::{Raw, Setting};

/// More than this is a mistake.
const OUTER_MAX: usize = 64;
/// The most folders that a wildcard may be widened by.
const OVER_PURGE_MAX: u64 = 8;
/// The longest fetch of a Varnish, where nobody says.
const FETCH: Duration = Duration::from_secs(10);
/// Names that receipts give to something else.
const TAKEN: [&str; 2] = ["derivatives", "edge"];

/// The outer caches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OuterCaches(pub Vec<Config>);

const KINDS: [&str; 5] = ["cloudfront", "edge", "cloudflare", "varnish", "webhook"];
/// Which fields each kind has, beside `name`, `kind` and `window`.
const FIELDS: [(&str, &[&str]); 5] = [
    ("cloudfront", &["distribution", "region", "endpoint", "profile", "access_key", "secret", "by", "over_purge"]),
    ("edge", &["distribution", "endpoint", "access_key", "secret", "by", "over_purge"]),
    ("cloudflare", &["zone", "secret", "plan", "hosts", "endpoint"]),
    ("varnish", &["url", "secret", "fetch"]),
    ("webhook", &["url", "secret"]),
];
const WAYS: [(&str, Option<By>); 3] = [("auto", None), ("paths", Some(By::Paths)), ("wildcards", Some(By::Wildcards))];
const PLANS: [(&str, Plan); 4] =
    [("free", Plan::Free), ("pro", Plan::Pro), ("business", Plan::Business), ("enterprise", Plan::Enterprise)];

impl Setting for OuterCaches {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        let tables = match raw {
            Raw::List(tables) => tables.clone(),
            Raw::Text(text) => named_tables(text, "NAME")?,
            _ => return Err("not a list; write [[cdn]] and below it name and kind".into()),
        };
        if tables.len() > OUTER_MAX {
            return Err(format!("{} outer caches; the most is {OUTER_MAX}", tables.len()));
        }
        let mut all: Vec<Config> = Vec::new();
        for table in &tables {
            let Raw::Table(fields) = table else {
                return Err("each is a table; write [[cdn]] and below it name and kind".into());
            };
            let config = one(fields)?;
            if all.iter().any(|other| other.name == config.name) {
                return Err(format!("two outer caches are called \"{}\"; rename one", config.name));
            }
            all.push(config);
        }
        Ok(Self(all))
    }

    fn text(&self) -> String {
        self.0.iter().map(text_of).collect::<Vec<_>>().join(" ")
    }
}

/// The fields of one table, with what is said about them.
struct Fields<'a> {
    name: &'a str,
    fields: &'a [(String, Raw)],
}

impl Fields<'_> {
    fn raw(&self, field: &str) -> Option<&Raw> {
        self.fields.iter().find(|(known, _)| known == field).map(|(_, value)| value)
    }

    fn text(&self, field: &str) -> Result<Option<String>, String> {
        match self.raw(field) {
            None => Ok(None),
            Some(Raw::Text(text)) if !text.is_empty() && !text.contains(char::is_whitespace) => Ok(Some(text.clone())),
            Some(_) => Err(self.say(field, "is not a text without spaces")),
        }
    }

    fn need(&self, field: &str, example: &str) -> Result<String, String> {
        self.text(field)?.ok_or_else(|| self.say(field, &format!("is missing; write {example}")))
    }

    fn secret(&self) -> Result<Option<String>, String> {
        let Some(text) = self.text("secret")? else { return Ok(None) };
        let secret = Secret::new(&text).map_err(|remedy| self.say("secret", &format!("is or {remedy}")))?;
        Ok(Some(secret.expose().to_owned()))
    }

    fn need_secret(&self) -> Result<String, String> {
        self.secret()?.ok_or_else(|| self.say("secret", "is missing; write secret or secret_file"))
    }

    fn word<T: Copy>(&self, field: &str, words: &[(&str, T)]) -> Result<T, String> {
        let word = self.text(field)?.unwrap_or_else(|| words[0].0.to_owned());
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let found = words.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        found.ok_or_else(|| self.say(field, &format!("is {}", unknown_word(&word, &names))))
    }

    fn time(&self, field: &str, default: Duration, max_s: u64) -> Result<Duration, String> {
        let Some(raw) = self.raw(field) else { return Ok(default) };
        let range = Kind::Duration { min: Duration::ZERO, max: Duration::from_secs(max_s) };
        Duration::read(raw, &range).map_err(|remedy| self.say(field, &format!("is {remedy}")))
    }

    fn say(&self, field: &str, words: &str) -> String {
        format!("{field} of \"{}\" {words}", self.name)
    }
}

fn one(fields: &[(String, Raw)]) -> Result<Config, String> {
    let name = match fields.iter().find(|(field, _)| field == "name") {
        Some((_, Raw::Text(name))) => name.as_str(),
        _ => return Err("an outer cache without a name; write name = \"cloudfront\": receipts call it so".into()),
    };
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=32).contains(&name.len()) || !name.bytes().all(fits) || TAKEN.contains(&name) {
        return Err(format!(
            "\"{name}\" is not 1 to 32 of a-z, 0-9 and -, or is the name of a layer of our own; rename it"
        ));
    }
    let fields = Fields { name, fields };
    let kind = fields.text("kind")?.unwrap_or_default();
    let Some((_, known)) = FIELDS.iter().find(|(word, _)| *word == kind) else {
        return Err(fields.say("kind", &format!("is {}", unknown_word(&kind, &KINDS))));
    };
    for (field, _) in fields.fields {
        if !known.contains(&field.as_str()) && !["name", "kind", "window"].contains(&field.as_str()) {
            let all = [known, &["window"][..]].concat();
            return Err(fields.say(field, &format!("is {}", unknown_word(field, &all))));
        }
    }
    let kind = match kind.as_str() {
        "cloudfront" => Outer::CloudFront(distribution(&fields, None)?),
        "edge" => Outer::Edge(distribution(&fields, Some("AFTERIMAGE"))?),
        "cloudflare" => Outer::Cloudflare(Cloudflare {
            zone: fields.need("zone", "zone = \"ZONE-ID\"")?,
            token: fields.need_secret()?,
            plan: fields.word("plan", &PLANS)?,
            hosts: hosts(&fields)?,
            endpoint: fields.text("endpoint")?,
        }),
        "varnish" => Outer::Varnish(Varnish {
            url: fields.need("url", "url = \"http://127.0.0.1:6081/\"")?,
            token: fields.secret()?,
            fetch: fields.time("fetch", FETCH, 600)?,
        }),
        _ => Outer::Webhook(Webhook {
            url: fields.need("url", "url = \"https://hooks.example.com/forget\"")?,
            secret: fields.need_secret()?,
        }),
    };
    let over_purge = match fields.raw("over_purge") {
        None => 0,
        Some(raw) => crate::number::integer(raw, &Kind::Integer { min: 0, max: OVER_PURGE_MAX })
            .map_err(|remedy| fields.say("over_purge", &format!("is {remedy}")))?,
    };
    let mut pace = Pace::of(&kind);
    pace.window = fields.time("window", pace.window, 60)?;
    Ok(Config { name: name.to_owned(), kind, over_purge: u32::try_from(over_purge).unwrap_or(0), pace })
}

fn distribution(fields: &Fields<'_>, default: Option<&str>) -> Result<CloudFront, String> {
    let credentials = match (fields.text("access_key")?, fields.secret()?) {
        (Some(id), Some(secret)) => Some(Credentials { id, secret }),
        (None, None) => None,
        _ => return Err(fields.say("access_key", "and secret (or secret_file) belong together; write both")),
    };
    let endpoint = fields.text("endpoint")?;
    if default.is_some() && (credentials.is_none() || endpoint.is_none()) {
        let words = "is needed, and so are access_key and secret: the operator's listener of that edge, and a key of its \
                     admin.access_keys";
        return Err(fields.say("endpoint", words));
    }
    if let Some(url) = endpoint.as_deref().filter(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        return Err(fields.say("endpoint", &format!("\"{url}\" is no http or https URL")));
    }
    let distribution = match (fields.text("distribution")?, default) {
        (Some(id), _) => id,
        (None, Some(default)) => default.to_owned(),
        (None, None) => fields.need("distribution", "distribution = \"E2EXAMPLE\"")?,
    };
    let (region, profile) = (fields.text("region")?, fields.text("profile")?);
    Ok(CloudFront { distribution, endpoint, region, profile, credentials, by: fields.word("by", &WAYS)? })
}

fn hosts(fields: &Fields<'_>) -> Result<Vec<String>, String> {
    let hosts = match fields.raw("hosts") {
        None => return Ok(Vec::new()),
        Some(raw) => {
            Vec::<String>::read(raw, &Kind::Texts).map_err(|remedy| fields.say("hosts", &format!("is {remedy}")))?
        }
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    match hosts.iter().find(|host| host.is_empty() || !host.bytes().all(fits)) {
        Some(host) => Err(fields.say("hosts", &format!("has \"{host}\"; each is a name without scheme, port or path"))),
        None => Ok(hosts),
    }
}

/// What [`named_tables`] reads.
fn text_of(config: &Config) -> String {
    let mut text = format!("name={} kind={}", config.name, config.kind.word());
    let mut add = |field: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = write!(text, " {field}={value}");
        }
    };
    match &config.kind {
        Outer::CloudFront(of) | Outer::Edge(of) => {
            add("distribution", Some(&of.distribution));
            add("endpoint", of.endpoint.as_deref());
            add("region", of.region.as_deref());
            add("profile", of.profile.as_deref());
            add("access_key", of.credentials.as_ref().map(|keys| keys.id.as_str()));
            add("secret", of.credentials.as_ref().map(|keys| keys.secret.as_str()));
            add("by", WAYS.iter().find(|(_, by)| *by == of.by && by.is_some()).map(|(word, _)| *word));
        }
        Outer::Cloudflare(of) => {
            add("zone", Some(&of.zone));
            add("secret", Some(&of.token));
            add("plan", PLANS.iter().find(|(_, plan)| *plan == of.plan).map(|(word, _)| *word));
            let hosts = of.hosts.join(",");
            add("hosts", Some(hosts.as_str()).filter(|hosts| !hosts.is_empty()));
            add("endpoint", of.endpoint.as_deref());
        }
        Outer::Varnish(of) => {
            add("url", Some(&of.url));
            add("secret", of.token.as_deref());
            add("fetch", Some(display(of.fetch).as_str()).filter(|_| of.fetch != FETCH));
        }
        Outer::Webhook(of) => {
            add("url", Some(&of.url));
            add("secret", Some(&of.secret));
        }
    }
    if config.over_purge > 0 {
        add("over_purge", Some(&config.over_purge.to_string()));
    }
    if config.pace.window != Pace::default().window {
        add("window", Some(&display(config.pace.window)));
    }
    text
}

impl Settings {
    /// Whether this build can reach every outer cache that is named.
    ///
    /// # Errors
    /// What it cannot, one mistake each.
    pub fn outer_caches(&self) -> Result<(), Vec<Mistake>> {
        let checked = self.cdn.0.iter().filter_map(|config| config.check().err().map(|why| (config, why)));
        let found: Vec<Mistake> =
            checked.map(|(config, why)| Mistake::new("cdn", Some(format!("\"{}\"", config.name)), why)).collect();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<OuterCaches, String> {
        OuterCaches::read(&Raw::Text(text.to_owned()), &Kind::OuterCaches)
    }

    #[test]
    fn outer_caches_read_and_read_back() {
        for text in [
            "",
            "name=cf kind=cloudfront distribution=E2EXAMPLE",
            "name=cf kind=cloudfront distribution=E1 region=us-east-1 profile=p by=paths over_purge=2 window=2s",
            "name=b kind=edge endpoint=http://10.0.0.2:8081 access_key=AKIA secret=0123456789abcdef name=c kind=edge \
             distribution=X endpoint=http://10.0.0.3:8081 access_key=AKIA secret=0123456789abcdef by=wildcards",
            "name=flare kind=cloudflare zone=z secret=token plan=enterprise hosts=a.example,b.example",
            "name=v kind=varnish url=http://127.0.0.1:6081/ secret=s fetch=3s",
            "name=hook kind=webhook url=https://h.example/ secret=s",
        ] {
            let outer = read(text).unwrap();
            assert_eq!(read(&outer.text()), Ok(outer), "{text}");
        }
    }

    #[test]
    fn each_mistake_is_said_and_no_secret_is() {
        for (text, words) in [
            ("kind=varnish", "begin with name="),
            ("name=a/b kind=varnish", "a-z"),
            ("name=derivatives kind=varnish url=http://a/", "our own"),
            ("name=a kind=varnsih url=http://a/", "did you mean \"varnish\""),
            ("name=a kind=varnish", "url of \"a\" is missing"),
            ("name=a kind=varnish url=http://a/ zone=x", "not one of"),
            ("name=a kind=cloudfront", "distribution of \"a\" is missing"),
            ("name=a kind=cloudfront distribution=E secret=hunter2", "belong together"),
            ("name=a kind=cloudfront distribution=E by=tags", "not one of \"auto\""),
            ("name=a kind=cloudfront distribution=E over_purge=9", "8"),
            ("name=a kind=cloudfront distribution=E window=61s", "window of \"a\""),
            ("name=a kind=cloudfront distribution=E endpoint=ftp://x", "no http or https"),
            ("name=a kind=edge endpoint=http://a/", "access_key"),
            ("name=a kind=cloudflare zone=z", "secret of \"a\" is missing"),
            ("name=a kind=cloudflare zone=z secret=hunter2 hosts=http://x", "without scheme"),
            ("name=a kind=webhook url=http://a/ secret=", "without spaces"),
            ("name=a kind=varnish url=http://a/ name=a kind=varnish url=http://b/", "called \"a\""),
            ("name=a hunter2", "FIELD=VALUE"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{text}: {error}");
        }
        let many =
            |count: usize| (0..count).map(|n| format!("name=n{n} kind=varnish url=http://a/ ")).collect::<String>();
        assert!(read(&many(64)).is_ok());
        assert!(read(&many(65)).unwrap_err().contains("the most is 64"));
        let shown = format!("{:?}", read("name=a kind=cloudflare zone=z secret=hunter2").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
