//! A double of CloudFront's invalidation API, over HTTP. It keeps what CloudFront documents and what its callers report:
//! quotas, states, idempotency in each of its reported ways, refused paths, throttling. It forgets no cache: it is about the
//! calls alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Asked, Step, Upstream, answer};

/// What happens to a caller reference that was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// The same paths get the same invalidation again; others `InvalidationBatchAlreadyExists`. As documented.
    SameInvalidation,
    /// Always `InvalidationBatchAlreadyExists`, as emulators have it.
    AlreadyExists,
    /// Always `InvalidArgument` with words about it, as live reports have it.
    InvalidArgument,
}

/// By which rules the double works.
#[derive(Debug, Clone)]
pub struct DoubleRules {
    /// Exact paths and tags in progress at once.
    pub exact_max: usize,
    /// Wildcards in progress at once.
    pub wildcards_max: usize,
    /// How long an invalidation is in progress.
    pub progress: Duration,
    /// Calls within a second beyond which they are throttled.
    pub calls_per_s: usize,
    /// What becomes of used references.
    pub reuse: Reuse,
    /// The header that tags are read from.
    pub tag_header: Option<&'static str>,
}

impl Default for DoubleRules {
    fn default() -> Self {
        Self {
            exact_max: 3000,
            wildcards_max: 15,
            progress: Duration::from_millis(300),
            calls_per_s: 10,
            reuse: Reuse::SameInvalidation,
            tag_header: Some("Cache-Tag"),
        }
    }
}

/// An invalidation that was accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its id.
    pub id: String,
    /// The caller's reference.
    pub reference: String,
    /// Its items, as they were written.
    pub items: Vec<String>,
    at: Instant,
}

#[derive(Default)]
struct Books {
    accepted: Vec<Accepted>,
    calls: Vec<Instant>,
    /// How often each error was answered.
    errors: HashMap<&'static str, usize>,
    exact_peak: usize,
    wildcards_peak: usize,
    /// Answers that come before any other: a status and a code.
    forced: Vec<(u16, &'static str)>,
    /// Accepts, and closes the connection instead of saying so.
    silent: usize,
    /// Nothing is complete while this is set.
    stuck: bool,
}

/// The double. It ends when it is dropped.
pub struct Double {
    /// `http://address:port`.
    pub base: String,
    /// The distribution that it knows.
    pub distribution: &'static str,
    books: Arc<Mutex<Books>>,
    rules: Arc<Mutex<DoubleRules>>,
    _server: Upstream,
}

const DISTRIBUTION: &str = "EDOUBLE";
const ROOT: &str = "/2020-05-31/distribution/";

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Double {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(rules: DoubleRules) -> Self {
        let (books, rules) = (Arc::new(Mutex::new(Books::default())), Arc::new(Mutex::new(rules)));
        let (serving, under) = (books.clone(), rules.clone());
        let server = Upstream::start(move |asked| {
            let rules = locked(&under).clone();
            let mut books = locked(&serving);
            let (status, body) = match books.answer(&rules, asked) {
                Ok(answered) => answered,
                Err(Fault { status, code, words }) => {
                    *books.errors.entry(code).or_default() += 1;
                    let error =
                        format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{words}</Message></Error>");
                    (
                        status,
                        format!("<ErrorResponse xmlns=\"{NAMESPACE}\">{error}<RequestId>1</RequestId></ErrorResponse>"),
                    )
                }
            };
            if status == 201 && books.silent > 0 {
                books.silent -= 1;
                return vec![Step::Close];
            }
            answer(status, &[("Content-Type", "text/xml"), ("ETag", "E1")], body.as_bytes())
        });
        Self { base: server.base.clone(), distribution: DISTRIBUTION, books, rules, _server: server }
    }

    /// Works by other rules from now on.
    pub fn change(&self, change: impl FnOnce(&mut DoubleRules)) {
        change(&mut locked(&self.rules));
    }

    /// What was accepted so far.
    pub fn accepted(&self) -> Vec<Accepted> {
        locked(&self.books).accepted.clone()
    }

    /// Every item that was accepted, as often as it was.
    pub fn items(&self) -> Vec<String> {
        locked(&self.books).accepted.iter().flat_map(|batch| batch.items.clone()).collect()
    }

    /// How often an error was answered.
    pub fn errors(&self, code: &str) -> usize {
        locked(&self.books).errors.get(code).copied().unwrap_or(0)
    }

    /// How many calls came.
    pub fn calls(&self) -> usize {
        locked(&self.books).calls.len()
    }

    /// The most exact items, and the most wildcards, that were in progress at once.
    pub fn peaks(&self) -> (usize, usize) {
        let books = locked(&self.books);
        (books.exact_peak, books.wildcards_peak)
    }

    /// Answers the next calls with these errors.
    pub fn force(&self, errors: &[(u16, &'static str)]) {
        locked(&self.books).forced.extend_from_slice(errors);
    }

    /// Accepts so many batches without saying so: the connection ends instead.
    pub fn be_silent(&self, batches: usize) {
        locked(&self.books).silent = batches;
    }

    /// Whether nothing is ever complete.
    pub fn be_stuck(&self, stuck: bool) {
        locked(&self.books).stuck = stuck;
    }
}

struct Fault {
    status: u16,
    code: &'static str,
    words: String,
}

fn refuse<T>(status: u16, code: &'static str, words: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { status, code, words: words.into() })
}

const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
const REUSED: &str = "Your request contains a caller reference that was used for a previous invalidation batch for the same distribution.";

impl Books {
    fn answer(&mut self, rules: &DoubleRules, asked: &Asked) -> Result<(u16, String), Fault> {
        let now = Instant::now();
        let recent = self.calls.iter().rev().take_while(|at| now - **at < Duration::from_secs(1)).count();
        self.calls.push(now);
        if !self.forced.is_empty() {
            let (status, code) = self.forced.remove(0);
            return refuse(status, code, "as the test wants it");
        }
        if recent >= rules.calls_per_s {
            return refuse(400, "Throttling", "Rate exceeded");
        }
        if !asked.header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=") {
            return refuse(403, "MissingAuthenticationToken", "unsigned");
        }
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let rest = path.strip_prefix(ROOT).unwrap_or_default();
        let words: Vec<&str> = rest.split('/').collect();
        if words.first() != Some(&DISTRIBUTION) {
            return refuse(404, "NoSuchDistribution", "The specified distribution does not exist.");
        }
        match (asked.method.as_str(), &words[1..]) {
            ("GET", ["config"]) => Ok((200, config(rules))),
            ("POST", ["invalidation"]) => self.create(rules, &String::from_utf8_lossy(&asked.body)),
            ("GET", ["invalidation"]) => Ok((200, self.list(rules, query))),
            ("GET", ["invalidation", id]) => match self.accepted.iter().find(|batch| batch.id == *id) {
                Some(batch) => Ok((200, self.document(rules, batch))),
                None => refuse(404, "NoSuchInvalidation", "The specified invalidation does not exist."),
            },
            _ => refuse(404, "NotImplemented", "the double does not know this"),
        }
    }

    fn is_complete(&self, rules: &DoubleRules, batch: &Accepted) -> bool {
        !self.stuck && batch.at.elapsed() >= rules.progress
    }

    fn create(&mut self, rules: &DoubleRules, body: &str) -> Result<(u16, String), Fault> {
        let items: Vec<String> = between(body, "Path");
        let reference = between(body, "CallerReference").pop().unwrap_or_default();
        if between(body, "Quantity").first().and_then(|text| text.parse().ok()) != Some(items.len()) {
            return refuse(400, "InconsistentQuantities", "quantities");
        }
        if reference.is_empty() || items.is_empty() {
            return refuse(400, "InvalidArgument", "no reference or no paths");
        }
        if let Some(wrong) = items.iter().find(|item| !is_item(item, rules.tag_header.is_some())) {
            return refuse(
                400,
                "InvalidArgument",
                format!("one or more invalid invalidation paths: {}", escaped(wrong)),
            );
        }
        if let Some(known) = self.accepted.iter().find(|batch| batch.reference == reference) {
            return match rules.reuse {
                Reuse::SameInvalidation if known.items == items => Ok((201, self.document(rules, known))),
                Reuse::SameInvalidation | Reuse::AlreadyExists => refuse(409, "InvalidationBatchAlreadyExists", REUSED),
                Reuse::InvalidArgument => refuse(400, "InvalidArgument", REUSED),
            };
        }
        if items.len() > rules.exact_max {
            return refuse(413, "BatchTooLarge", "too large");
        }
        let count = |items: &[String]| {
            let wildcards = items.iter().filter(|item| item.ends_with('*')).count();
            (items.len() - wildcards, wildcards)
        };
        let (mut exact, mut wildcards) = count(&items);
        for batch in self.accepted.iter().filter(|batch| !self.is_complete(rules, batch)) {
            let (more_exact, more_wildcards) = count(&batch.items);
            (exact, wildcards) = (exact + more_exact, wildcards + more_wildcards);
        }
        if exact > rules.exact_max || wildcards > rules.wildcards_max {
            return refuse(400, "TooManyInvalidationsInProgress", "Processing your request will exceed the quota");
        }
        (self.exact_peak, self.wildcards_peak) = (self.exact_peak.max(exact), self.wildcards_peak.max(wildcards));
        let id = format!("I{:013}", self.accepted.len());
        self.accepted.push(Accepted { id, reference, items, at: Instant::now() });
        let batch = self.accepted.last().expect("it was just pushed");
        Ok((201, self.document(rules, batch)))
    }

    fn document(&self, rules: &DoubleRules, batch: &Accepted) -> String {
        let paths: String = batch.items.iter().map(|item| format!("<Path>{}</Path>", escaped(item))).collect();
        let Accepted { id, reference, items, .. } = batch;
        let (status, quantity) = (self.status(rules, batch), items.len());
        format!(
            "<Invalidation xmlns=\"{NAMESPACE}\"><Id>{id}</Id><Status>{status}</Status>\
             <CreateTime>2026-11-27T12:00:00.000Z</CreateTime><InvalidationBatch><Paths><Quantity>{quantity}</Quantity>\
             <Items>{paths}</Items></Paths><CallerReference>{reference}</CallerReference></InvalidationBatch></Invalidation>"
        )
    }

    fn status(&self, rules: &DoubleRules, batch: &Accepted) -> &'static str {
        if self.is_complete(rules, batch) { "Completed" } else { "InProgress" }
    }

    /// The newest first, two a page, so that whoever looks has to turn pages.
    fn list(&self, rules: &DoubleRules, query: &str) -> String {
        let marker = query.split('&').find_map(|pair| pair.strip_prefix("Marker=")).unwrap_or_default();
        let after = self.accepted.iter().rev().skip_while(|batch| !marker.is_empty() && batch.id != marker);
        let rest: Vec<&Accepted> = after.skip(usize::from(!marker.is_empty())).collect();
        let page = &rest[..rest.len().min(2)];
        let rows: String = page
            .iter()
            .map(|batch| {
                format!(
                    "<InvalidationSummary><Id>{}</Id><CreateTime>2026-11-27T12:00:00.000Z</CreateTime><Status>{}</Status>\
                     </InvalidationSummary>",
                    batch.id,
                    self.status(rules, batch)
                )
            })
            .collect();
        let truncated = rest.len() > page.len();
        let next = page
            .last()
            .filter(|_| truncated)
            .map_or(String::new(), |last| format!("<NextMarker>{}</NextMarker>", last.id));
        format!(
            "<InvalidationList xmlns=\"{NAMESPACE}\"><Marker>{marker}</Marker>{next}<MaxItems>2</MaxItems>\
             <IsTruncated>{truncated}</IsTruncated><Quantity>{}</Quantity><Items>{rows}</Items></InvalidationList>",
            page.len()
        )
    }
}

fn config(rules: &DoubleRules) -> String {
    let tags = rules
        .tag_header
        .map_or(String::new(), |header| format!("<CacheTagConfig><HeaderName>{header}</HeaderName></CacheTagConfig>"));
    format!(
        "<DistributionConfig xmlns=\"{NAMESPACE}\"><CallerReference>double</CallerReference><Comment></Comment>\
         <Enabled>true</Enabled>{tags}</DistributionConfig>"
    )
}

/// What CloudFront takes as an item; `~` is refused, and a tag where the distribution has no tag header.
fn is_item(item: &str, has_tags: bool) -> bool {
    let body = match item.strip_prefix('#') {
        Some(tag) => {
            return has_tags && !tag.is_empty() && tag.len() <= 256 && tag.bytes().all(|b| b.is_ascii_graphic());
        }
        None => item,
    };
    body.starts_with('/')
        && body.len() <= 4000
        && body.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"#{}|\\^~[]`".contains(&b))
}

/// The texts of all elements of this name.
fn between(document: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = document.split(&open).skip(1).filter_map(|part| part.split(&close).next());
    parts
        .map(|text| text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
