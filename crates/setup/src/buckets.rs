//! Buckets that are asked otherwise than `[s3]` says. Tables in the file; elsewhere one text, in which each begins with its
//! `name=`.

use std::fmt::Write as _;

use crate::choice::unknown_word;
use crate::define::Kind;
use crate::list::named_tables;
use crate::value::{Raw, Setting, quoted};

/// More than this is a mistake.
const BUCKETS_MAX: usize = 64;
const FIELDS: [&str; 5] = ["name", "endpoint", "region", "path_style", "profile"];
const FORM: &str = "write [[s3.buckets]] and below it name, and endpoint, region, path_style or profile";

/// How one bucket is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedBucket {
    /// Its name.
    pub name: String,
    /// The server; `None` is AWS, whatever `s3.endpoint` says.
    pub endpoint: Option<String>,
    /// The region; `None` is what environment, profile or machine say.
    pub region: Option<String>,
    /// Whether its name stands in the path.
    pub path_style: bool,
    /// The profile; `None` is `s3.profile`.
    pub profile: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedBuckets(pub Vec<NamedBucket>);

impl NamedBuckets {
    /// The table of this bucket, where it has one.
    pub fn of(&self, name: &str) -> Option<&NamedBucket> {
        self.0.iter().find(|bucket| bucket.name == name)
    }
}

impl Setting for NamedBuckets {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        let tables = match raw {
            Raw::List(tables) => tables.clone(),
            Raw::Text(text) => named_tables(text, "BUCKET")?,
            _ => return Err(format!("not a list; {FORM}")),
        };
        if tables.len() > BUCKETS_MAX {
            return Err(format!("{} buckets; the most is {BUCKETS_MAX}", tables.len()));
        }
        let mut all: Vec<NamedBucket> = Vec::new();
        for table in &tables {
            let Raw::Table(fields) = table else { return Err(format!("each is a table; {FORM}")) };
            let bucket = one(fields)?;
            if all.iter().any(|other| other.name == bucket.name) {
                return Err(format!("{} is there twice; keep one", quoted(&bucket.name)));
            }
            all.push(bucket);
        }
        Ok(Self(all))
    }

    fn text(&self) -> String {
        self.0.iter().map(text_of).collect::<Vec<_>>().join(" ")
    }
}

fn one(fields: &[(String, Raw)]) -> Result<NamedBucket, String> {
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let text = |name: &str| match field(name) {
        None => Ok(None),
        Some(Raw::Text(text)) if !text.is_empty() && !text.contains(char::is_whitespace) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{name} = {other} is no text without spaces")),
    };
    if let Some((name, _)) = fields.iter().find(|(name, _)| !FIELDS.contains(&name.as_str())) {
        return Err(format!("{} is {}", quoted(name), unknown_word(name, &FIELDS)));
    }
    let name = text("name")?.ok_or_else(|| format!("a bucket without a name; {FORM}"))?;
    let at = |remedy: String| format!("{}: {remedy}", quoted(&name));
    afterimage_store::bucket::Place::parse(&format!("s3://{name}")).map_err(at)?;
    let path_style = field("path_style").map(|raw| bool::read(raw, &Kind::Bool)).transpose();
    let endpoint = text("endpoint").map_err(at)?;
    if let Some(remedy) = endpoint.as_deref().and_then(wrong_endpoint) {
        return Err(at(format!("endpoint: {remedy}")));
    }
    Ok(NamedBucket {
        endpoint,
        region: text("region").map_err(at)?,
        path_style: path_style.map_err(|remedy| at(format!("path_style is {remedy}")))?.unwrap_or(false),
        profile: text("profile").map_err(at)?,
        name: name.clone(),
    })
}

/// What is wrong with the URL of a server.
pub(crate) fn wrong_endpoint(endpoint: &str) -> Option<&'static str> {
    let is_url = endpoint.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    (!is_url).then_some("write scheme and host, such as \"http://127.0.0.1:9000\"")
}

/// What [`named_tables`] reads.
fn text_of(bucket: &NamedBucket) -> String {
    let mut text = format!("name={}", bucket.name);
    let path_style = bucket.path_style.then(|| "true".to_owned());
    let fields = [
        ("endpoint", &bucket.endpoint),
        ("region", &bucket.region),
        ("path_style", &path_style),
        ("profile", &bucket.profile),
    ];
    for (field, value) in fields {
        if let Some(value) = value {
            let _ = write!(text, " {field}={value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, Sources};

    fn read(text: &str) -> Result<NamedBuckets, String> {
        NamedBuckets::read(&Raw::Text(text.to_owned()), &Kind::NamedBuckets)
    }

    #[test]
    fn buckets_read_and_read_back() {
        for text in [
            "",
            "name=pictures",
            "name=pictures endpoint=http://127.0.0.1:9000 path_style=true name=other region=eu-central-1 profile=p",
        ] {
            let buckets = read(text).unwrap();
            assert_eq!(read(&buckets.text()), Ok(buckets), "{text}");
        }
        let file = "[[s3.buckets]]\nname = \"pictures\"\nendpoint = \"http://127.0.0.1:9000\"\npath_style = true\n";
        let sources = Sources { file: Some(("a.toml".into(), file.to_owned())), ..Sources::default() };
        let settings = Settings::load(&sources).unwrap();
        assert_eq!(settings.s3.buckets, read("name=pictures endpoint=http://127.0.0.1:9000 path_style=true").unwrap());
    }

    #[test]
    fn each_mistake_is_said() {
        for (text, words) in [
            ("endpoint=http://a/", "begin with name="),
            ("name=ab", "3 to 255"),
            ("name=abc name=abc", "twice"),
            ("name=abc endpoint=127.0.0.1:9000", "such as"),
            ("name=abc endpont=http://a/", "did you mean \"endpoint\""),
            ("name=abc path_style=maybe", "path_style"),
            ("name=abc region=", "no text"),
            ("abc", "FIELD=VALUE"),
        ] {
            assert!(read(text).unwrap_err().contains(words), "{text}: {:?}", read(text));
        }
        let many = |count: usize| (0..count).map(|number| format!("name=bucket-{number} ")).collect::<String>();
        assert!(read(&many(BUCKETS_MAX)).is_ok());
        assert!(read(&many(BUCKETS_MAX + 1)).unwrap_err().contains("the most is 64"));
    }
}
