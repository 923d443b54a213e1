//! The documents of the API `2020-05-31`: an invalidation batch in, everything else out. What an answer holds is decided
//! elsewhere; here it is only written.

use std::time::SystemTime;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::reader::Reader;
use serde::Deserialize;

use super::fault::{Code, Fault};
use super::ledger::{Batch, Page, Record};
use crate::item::Item;

const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
/// The longest caller reference, in bytes.
const REFERENCE_BYTES_MAX: usize = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchDocument {
    paths: PathsDocument,
    caller_reference: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PathsDocument {
    quantity: usize,
    #[serde(default)]
    items: ItemsDocument,
}

#[derive(Default, Deserialize)]
struct ItemsDocument {
    #[serde(rename = "Path", default)]
    paths: Vec<String>,
}

/// Reads and checks an `InvalidationBatch`.
pub(crate) fn read_batch(body: &[u8]) -> Result<Batch, Fault> {
    if body.is_empty() {
        return Err(Fault::new(Code::MissingBody, "This operation requires a body: an InvalidationBatch."));
    }
    let malformed = |words: String| Fault::new(Code::MalformedXml, words);
    let text = std::str::from_utf8(body).map_err(|_| malformed("the document is not UTF-8".into()))?;
    let root = root(text).map_err(malformed)?;
    if root != "InvalidationBatch" {
        return Err(malformed(format!("the document is not an InvalidationBatch but `{root}`")));
    }
    let document: BatchDocument = quick_xml::de::from_str(text).map_err(|error| malformed(error.to_string()))?;
    let BatchDocument { paths: PathsDocument { quantity, items }, caller_reference: reference } = document;
    if quantity != items.paths.len() {
        let words =
            format!("The value of Quantity, {quantity}, and the number of Items, {}, don't match.", items.paths.len());
        return Err(Fault::new(Code::InconsistentQuantities, words));
    }
    if !(1..=REFERENCE_BYTES_MAX).contains(&reference.len()) {
        let words = format!("CallerReference has {} bytes; it needs 1 to {REFERENCE_BYTES_MAX}", reference.len());
        return Err(Fault::new(Code::InvalidArgument, words));
    }
    if items.paths.is_empty() {
        return Err(Fault::new(Code::InvalidArgument, "Your request contains no invalidation paths."));
    }
    let items = items.paths.into_iter().map(|text| match Item::parse(&text) {
        Ok(item) => Ok((text, item)),
        Err(why) => {
            let shown: String = text.chars().take(100).collect();
            let words = format!("Your request contains one or more invalid invalidation paths: `{shown}`: {why}");
            Err(Fault::new(Code::InvalidArgument, words))
        }
    });
    Ok(Batch { reference, items: items.collect::<Result<_, _>>()? })
}

/// The local name of the outermost element.
fn root(text: &str) -> Result<String, String> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) | Event::Empty(start) => {
                return Ok(start.local_name().as_ref().to_owned());
            }
            Event::Eof => return Err("the document has no element".into()),
            _ => {}
        }
    }
}

/// An element: its name, and its text or its children.
pub(crate) struct Element {
    name: &'static str,
    text: String,
    children: Vec<Element>,
}

impl Element {
    pub(crate) fn new(name: &'static str, children: impl IntoIterator<Item = Element>) -> Self {
        Self { name, text: String::new(), children: children.into_iter().collect() }
    }

    pub(crate) fn text(name: &'static str, text: impl ToString) -> Self {
        Self { name, text: text.to_string(), children: Vec::new() }
    }

    /// A list as CloudFront writes them: how many, and unless there are none, which.
    pub(crate) fn list(name: &'static str, items: Vec<Element>) -> Self {
        let quantity = Self::text("Quantity", items.len());
        let items = (!items.is_empty()).then(|| Self::new("Items", items));
        Self::new(name, std::iter::once(quantity).chain(items))
    }

    /// The whole document.
    pub(crate) fn document(&self) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        // Writing into memory does not fail.
        let _ = writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        self.write(&mut writer, Some(NAMESPACE));
        writer.into_inner()
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>, namespace: Option<&str>) {
        let mut start = BytesStart::new(self.name);
        if let Some(namespace) = namespace {
            start.push_attribute(("xmlns", namespace));
        }
        let _ = writer.write_event(Event::Start(start));
        if !self.text.is_empty() {
            let _ = writer.write_event(Event::Text(BytesText::new(&self.text)));
        }
        for child in &self.children {
            child.write(writer, None);
        }
        let _ = writer.write_event(Event::End(BytesEnd::new(self.name)));
    }
}

/// A moment as CloudFront writes it.
pub(crate) fn time(moment: SystemTime) -> String {
    humantime::format_rfc3339_millis(moment).to_string()
}

fn status(completed: bool) -> Element {
    Element::text("Status", if completed { "Completed" } else { "InProgress" })
}

pub(crate) fn invalidation(record: &Record) -> Element {
    let paths = record.batch.items.iter().map(|(text, _)| Element::text("Path", text)).collect();
    let batch = [Element::list("Paths", paths), Element::text("CallerReference", &record.batch.reference)];
    Element::new(
        "Invalidation",
        [
            Element::text("Id", &record.id),
            status(record.completed),
            Element::text("CreateTime", time(record.created)),
            Element::new("InvalidationBatch", batch),
        ],
    )
}

pub(crate) fn invalidation_list(page: &Page, marker: &str, items_max: usize) -> Element {
    let rows = page.rows.iter().map(|(id, created, completed)| {
        let children = [Element::text("Id", id), Element::text("CreateTime", time(*created)), status(*completed)];
        Element::new("InvalidationSummary", children)
    });
    let mut children = vec![Element::text("Marker", marker)];
    children.extend(page.next.as_ref().map(|next| Element::text("NextMarker", next)));
    children.extend([Element::text("MaxItems", items_max), Element::text("IsTruncated", page.next.is_some())]);
    children.extend(Element::list("InvalidationList", rows.collect()).children);
    Element::new("InvalidationList", children)
}

pub(crate) fn error(fault: &Fault, request_id: &str) -> Element {
    let (word, status) = fault.code.row();
    let kind = if status.is_server_error() { "Receiver" } else { "Sender" };
    let error = [Element::text("Type", kind), Element::text("Code", word), Element::text("Message", &fault.message)];
    Element::new("ErrorResponse", [Element::new("Error", error), Element::text("RequestId", request_id)])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn body(quantity: &str, items: &str, reference: &str) -> String {
        format!(
            "<InvalidationBatch xmlns=\"{NAMESPACE}\"><CallerReference>{reference}</CallerReference><Paths><Quantity>\
             {quantity}</Quantity>{items}</Paths></InvalidationBatch>"
        )
    }

    fn texts(body: &str) -> Result<(String, Vec<String>), Code> {
        let batch = read_batch(body.as_bytes()).map_err(|fault| fault.code)?;
        Ok((batch.reference, batch.items.into_iter().map(|(text, _)| text).collect()))
    }

    #[test]
    fn a_batch_is_read_whichever_way_it_is_written() {
        let items = "<Items><Path>/a*</Path><Path>#t&amp;&lt;&#x41;</Path></Items>";
        let expected = Ok(("r&1".to_owned(), vec!["/a*".to_owned(), "#t&<A".to_owned()]));
        assert_eq!(texts(&body("2", items, "r&amp;1")), expected);
        let pretty = "<?xml version=\"1.0\"?>\n<!-- x -->\n<c:InvalidationBatch xmlns:c=\"u\">\n  <c:Paths>\n    \
                      <c:Items>\n      <c:Path><![CDATA[/a*]]></c:Path>\n      <c:Path>#t&amp;&lt;A</c:Path>\n    </c:Items>\n\
                      <c:Quantity>2</c:Quantity></c:Paths>\n  <c:CallerReference>r&amp;1</c:CallerReference>\n\
                      <c:More/></c:InvalidationBatch>\n";
        assert_eq!(texts(pretty), expected);
    }

    #[test]
    fn each_wrong_batch_has_its_code() {
        let one = "<Items><Path>/a</Path></Items>";
        for (body, code) in [
            (String::new(), Code::MissingBody),
            (" ".into(), Code::MalformedXml),
            ("{}".into(), Code::MalformedXml),
            ("<InvalidationBatch>".into(), Code::MalformedXml),
            ("<Other/>".into(), Code::MalformedXml),
            (body("1", one, "r").replace("</Path>", "</path>"), Code::MalformedXml),
            (body("-1", one, "r"), Code::MalformedXml),
            (body("", one, "r"), Code::MalformedXml),
            (body("1", "<Items><Path>&nothing;</Path></Items>", "r"), Code::MalformedXml),
            (body("1", one, "r").replace("CallerReference", "Caller"), Code::MalformedXml),
            (body("2", one, "r"), Code::InconsistentQuantities),
            (body("0", one, "r"), Code::InconsistentQuantities),
            (body("1", "", "r"), Code::InconsistentQuantities),
            (body("0", "", "r"), Code::InvalidArgument),
            (body("1", one, ""), Code::InvalidArgument),
            (body("1", one, &"r".repeat(1025)), Code::InvalidArgument),
            (body("1", "<Items><Path>a</Path></Items>", "r"), Code::InvalidArgument),
            (body("1", "<Items><Path></Path></Items>", "r"), Code::InvalidArgument),
        ] {
            assert_eq!(texts(&body), Err(code), "{body}");
        }
        assert!(texts(&body("1", one, &"r".repeat(1024))).is_ok());
        assert_eq!(read_batch(b"<InvalidationBatch>\xff</InvalidationBatch>").unwrap_err().code, Code::MalformedXml);
    }

    #[test]
    fn entities_do_not_expand() {
        let bomb = format!(
            "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>{}",
            body("1", "<Items><Path>/&b;</Path></Items>", "r")
        );
        assert_eq!(texts(&bomb), Err(Code::MalformedXml));
    }

    #[test]
    fn answers_are_escaped_and_read_back() {
        let record = Record {
            id: "I1".into(),
            created: SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_123),
            completed: false,
            batch: read_batch(body("1", "<Items><Path>/a?b=1&amp;c</Path></Items>", "&lt;r&gt;").as_bytes()).unwrap(),
            matched: String::new(),
        };
        let text = String::from_utf8(invalidation(&record).document()).unwrap();
        assert_eq!(
            text,
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Invalidation xmlns=\"{NAMESPACE}\"><Id>I1</Id><Status>InProgress\
                 </Status><CreateTime>2026-09-21T14:13:20.123Z</CreateTime><InvalidationBatch><Paths><Quantity>1</Quantity>\
                 <Items><Path>/a?b=1&amp;c</Path></Items></Paths><CallerReference>&lt;r&gt;</CallerReference>\
                 </InvalidationBatch></Invalidation>"
            )
        );
    }

    #[test]
    fn an_empty_list_has_no_items() {
        let page = Page { rows: Vec::new(), next: None };
        let text = String::from_utf8(invalidation_list(&page, "", 100).document()).unwrap();
        assert!(text.ends_with(
            "<Marker></Marker><MaxItems>100</MaxItems><IsTruncated>false</IsTruncated><Quantity>0</Quantity></InvalidationList>"
        ));
    }

    proptest! {
        #[test]
        fn no_document_panics(at in 0usize..300, len in 0usize..40, bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut document = body("1", "<Items><Path>/a?b=1&amp;c</Path></Items>", "r").into_bytes();
            let at = at.min(document.len());
            document.splice(at..(at + len).min(document.len()), bytes);
            let _ = read_batch(&document);
        }
    }
}
