//! A bare line feed never ends a line of a request's head. hyper takes one for an end of line, many a proxy in front does
//! not: what one reads as a header's value, the other would read as further headers, or as a request. This looks at the
//! bytes before hyper does and must never let through what it did not look at.

/// The part of a line that is kept: a name and the digits of a length fit well.
const KEPT: usize = 64;

/// Follows the heads of one connection. What it cannot follow (chunked bodies, lengths that hyper refuses anyway) ends at
/// the connection's end: see [`Heads::is_lost`].
pub struct Heads {
    state: State,
    kept: [u8; KEPT],
    line_bytes: usize,
    last: u8,
    is_first_line: bool,
    length: Option<u64>,
    is_chunked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// Bytes of a body that are still to come.
    Body(u64),
    /// HTTP/2: its frames have no lines.
    Frames,
    Lost,
}

impl Heads {
    pub const fn new() -> Self {
        Self {
            state: State::Head,
            kept: [0; KEPT],
            line_bytes: 0,
            last: 0,
            is_first_line: true,
            length: None,
            is_chunked: false,
        }
    }

    /// Whether no further request may be read from this connection, because its head would not be looked at.
    pub fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    /// Looks at the next bytes of the connection. A bare line feed becomes a NUL, which no part of a head may have: hyper
    /// answers 400 and closes.
    pub fn check(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.state {
                State::Frames | State::Lost => return,
                State::Body(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left - here as u64;
                    self.state = if left == 0 { State::Head } else { State::Body(left) };
                    rest = &mut rest[here..];
                }
                State::Head => {
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        self.keep(rest);
                        return;
                    };
                    self.keep(&rest[..end]);
                    if self.last != b'\r' {
                        rest[end] = 0;
                        self.state = State::Lost;
                        return;
                    }
                    self.end_line();
                    rest = &mut rest[end + 1..];
                }
            }
        }
    }

    fn keep(&mut self, part: &[u8]) {
        if let Some(last) = part.last() {
            self.last = *last;
        }
        if self.line_bytes < KEPT {
            let here = part.len().min(KEPT - self.line_bytes);
            self.kept[self.line_bytes..self.line_bytes + here].copy_from_slice(&part[..here]);
        }
        self.line_bytes = self.line_bytes.saturating_add(part.len());
    }

    fn end_line(&mut self) {
        let is_whole = self.line_bytes <= KEPT;
        let line = &self.kept[..self.line_bytes.min(KEPT)];
        let line = if is_whole { &line[..line.len() - 1] } else { line };
        if line.is_empty() {
            // Empty lines before a request are skipped, as hyper does.
            if !self.is_first_line {
                self.end_head();
            }
        } else if self.is_first_line {
            self.is_first_line = false;
            // Unless the whole preface follows, hyper refuses the version.
            if line == b"PRI * HTTP/2.0" {
                self.state = State::Frames;
            }
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"transfer-encoding") {
                self.is_chunked = true;
            } else if name.eq_ignore_ascii_case(b"content-length") {
                let length = decimal(value).filter(|_| is_whole);
                match length {
                    Some(length) if self.length.is_none_or(|known| known == length) => self.length = Some(length),
                    _ => self.state = State::Lost,
                }
            }
        }
        (self.line_bytes, self.last) = (0, 0);
    }

    fn end_head(&mut self) {
        self.state = match self.length {
            _ if self.is_chunked => State::Lost,
            None | Some(0) => State::Head,
            Some(length) => State::Body(length),
        };
        (self.is_first_line, self.length, self.is_chunked) = (true, None, false);
    }
}

/// Digits and nothing else: `parse` would take a sign.
fn decimal(text: &[u8]) -> Option<u64> {
    let is_decimal = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_decimal)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut, they come out the same.
    fn check(text: &str, comes_out: &str, lost: bool) {
        for step in 1..=text.len() {
            let mut heads = Heads::new();
            let mut bytes = text.as_bytes().to_vec();
            for part in bytes.chunks_mut(step) {
                heads.check(part);
            }
            assert_eq!(String::from_utf8(bytes).unwrap(), comes_out, "{step} at a time");
            assert_eq!(heads.is_lost(), lost, "{text:?}, {step} at a time");
        }
    }

    #[test]
    fn only_line_feeds_of_heads_need_their_carriage_return() {
        for whole in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "PUT / HTTP/1.1\r\ncontent-LENGTH:\t 3 \r\n\r\n\n\n\nGET / HTTP/1.1\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n\n\n",
        ] {
            check(whole, whole, false);
        }
        check("GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\0Host: a\r\n\r\n", true);
        check("GET / HTTP/1.1\r\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\0\n", true);
        check("GET / HTTP/1.1\r\nHost: a\r\n\n", "GET / HTTP/1.1\r\nHost: a\r\n\0", true);
        check("\nGET / HTTP/1.1\r\n\r\n", "\0GET / HTTP/1.1\r\n\r\n", true);
        check(
            "PUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\n\nGET / HTTP/1.1\n",
            "PUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\n\nGET / HTTP/1.1\0",
            true,
        );
    }

    #[test]
    fn what_cannot_be_followed_is_the_last() {
        let far = format!("PUT / HTTP/1.1\r\nContent-Length: {}1\r\n\r\n", " ".repeat(KEPT));
        for head in [
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 1\r\nTRANSFER-ENCODING:chunked\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            &far,
        ] {
            check(head, head, true);
        }
    }
}
