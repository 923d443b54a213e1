//! A slow origin of pictures and files. A content is a number: the colour of a picture, the text of a file. What an answer
//! brings is read when its request arrives, long before its last byte leaves: the window in which the races live.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterimage_testkit::{Answer, Asked, Step, Upstream, answer, colour_of, one_colour};

/// How long a question takes, and the two halves of an answer with a body.
const HEAD: Duration = Duration::from_millis(5);
const HALF: Duration = Duration::from_millis(15);
/// How long it takes until a picture is there: asked, read.
pub const FILL: Duration = Duration::from_millis(35);
/// How long it takes from then until it is stored and asked for again.
pub const AFTER: Duration = Duration::from_millis(25);

/// What lies at the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rendered by the edge.
    Picture,
    /// Passed through.
    File,
}

impl Kind {
    /// Where number `at` lies at the origin.
    pub fn place(self, at: u64) -> String {
        match self {
            Self::Picture => format!("/pictures/{at}.png"),
            Self::File => format!("/files/{at}.txt"),
        }
    }

    /// What a viewer asks an edge for.
    pub fn target(self, at: u64) -> String {
        match self {
            Self::Picture => format!("/{at}.png?w=16&fm=png"),
            Self::File => format!("/files/{at}.txt?a"),
        }
    }

    /// The content that an answer was made from.
    pub fn content(self, answer: &Answer) -> u64 {
        match self {
            Self::Picture => {
                let [low, high, _] = colour_of(&answer.body).expect("a whole PNG");
                u64::from(low) | u64::from(high) << 8
            }
            Self::File => answer.text().trim().parse().expect("a number"),
        }
    }

    fn bytes(self, content: u64) -> Vec<u8> {
        match self {
            Self::Picture => one_colour(24, [(content & 0xff) as u8, (content >> 8) as u8, 0x40]),
            Self::File => format!("{content:>4000}").into_bytes(),
        }
    }
}

#[derive(Default)]
struct Contents(Mutex<BTreeMap<String, (Kind, u64)>>);

/// The origin.
pub struct Origin {
    pub upstream: Upstream,
    contents: Arc<Contents>,
}

impl Origin {
    pub fn start() -> Self {
        let contents = Arc::new(Contents::default());
        let read = contents.clone();
        Self { upstream: Upstream::start(move |asked| answers(&read, asked)), contents }
    }

    /// Uploads a content, or another one in its place.
    pub fn put(&self, kind: Kind, at: u64, content: u64) {
        self.contents.0.lock().expect("nobody panics with it").insert(kind.place(at), (kind, content));
    }

    /// Deletes.
    pub fn delete(&self, kind: Kind, at: u64) {
        self.contents.0.lock().expect("nobody panics with it").remove(&kind.place(at));
    }
}

fn answers(contents: &Contents, asked: &Asked) -> Vec<Step> {
    let place = asked.target.split('?').next().unwrap_or_default();
    let found = contents.0.lock().expect("nobody panics with it").get(place).copied();
    let mut steps = vec![Step::Wait(HEAD)];
    let Some((kind, content)) = found else {
        steps.extend(answer(404, &[], b""));
        return steps;
    };
    let body = kind.bytes(content);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"{content}\"\r\nCache-Control: max-age=600\r\n\
         Cache-Tag: at-{place}\r\n\r\n",
        body.len()
    );
    if asked.method == "HEAD" {
        steps.push(Step::Send(head.into_bytes()));
        return steps;
    }
    let (first, second) = body.split_at(body.len() / 2);
    steps.extend([Step::Wait(HALF), Step::Send([head.as_bytes(), first].concat())]);
    steps.extend([Step::Wait(HALF), Step::Send(second.to_vec())]);
    steps
}
