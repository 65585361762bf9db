//! Whether the head of a request is on its way, by what a client sent.

/// What an HTTP/2 client begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD_BYTES: usize = 9;
/// Types of frames, and the flag that ends a head (RFC 9113, section 6).
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// What was read of a connection.
#[derive(Debug)]
pub(super) enum Heads {
    /// So many bytes of the preface of HTTP/2.
    Preface(usize),
    /// HTTP/1.1: whatever comes while no request is answered is a head.
    Plain,
    Frames(Frames),
}

/// Where in the frames of HTTP/2 a connection is.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What came of the head of the next frame, and how much that is.
    head: [u8; FRAME_HEAD_BYTES],
    head_bytes: usize,
    /// What is still to come of this frame.
    left: usize,
    /// Whether the head of a request began and did not end.
    is_in_head: bool,
}

impl Heads {
    pub(super) fn new() -> Heads {
        Heads::Preface(0)
    }

    /// Takes note of bytes that came. Tells whether a head is on its way now; `is_idle` says that no request is answered.
    pub(super) fn take(&mut self, mut bytes: &[u8], is_idle: bool) -> bool {
        if let Heads::Preface(seen) = self {
            let wanted = &PREFACE[*seen..];
            let common = wanted.iter().zip(bytes).take_while(|(wanted, came)| wanted == came).count();
            *seen += common;
            bytes = &bytes[common..];
            if *seen == PREFACE.len() {
                *self = Heads::Frames(Frames::default());
            } else if !bytes.is_empty() {
                *self = Heads::Plain;
            }
        }
        match self {
            Heads::Preface(_) => true,
            Heads::Plain => is_idle,
            Heads::Frames(frames) => frames.take(bytes),
        }
    }
}

impl Frames {
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.head_bytes < FRAME_HEAD_BYTES {
                let count = bytes.len().min(FRAME_HEAD_BYTES - self.head_bytes);
                self.head[self.head_bytes..self.head_bytes + count].copy_from_slice(&bytes[..count]);
                self.head_bytes += count;
                bytes = &bytes[count..];
                if self.head_bytes == FRAME_HEAD_BYTES {
                    let [high, middle, low, kind, ..] = self.head;
                    self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                    self.is_in_head |= kind == HEADERS;
                }
            }
            let count = bytes.len().min(self.left);
            self.left -= count;
            bytes = &bytes[count..];
            if self.head_bytes == FRAME_HEAD_BYTES && self.left == 0 {
                let [_, _, _, kind, flags, ..] = self.head;
                if matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0 {
                    self.is_in_head = false;
                }
                self.head_bytes = 0;
            }
        }
        self.is_in_head
    }
}

#[cfg(test)]
mod tests {
    use super::{CONTINUATION, END_HEADERS, HEADERS, Heads, PREFACE};

    fn frame(kind: u8, flags: u8, bytes: usize) -> Vec<u8> {
        let mut frame = vec![0, (bytes >> 8) as u8, bytes as u8, kind, flags, 0, 0, 0, 1];
        frame.resize(9 + bytes, 0);
        frame
    }

    #[test]
    fn a_head_of_http_1_is_on_its_way_from_its_first_byte() {
        let mut heads = Heads::new();
        assert!(heads.take(b"P", true), "it may still be a preface");
        assert!(heads.take(b"OST / HTTP/1.1\r\n", true));
        assert!(!heads.take(b"a body", false));
        assert!(heads.take(b"G", true), "the next request");
    }

    #[test]
    fn a_head_of_http_2_begins_and_ends_with_its_frames_however_they_come() {
        let (ping, settings) = (frame(0x6, 0, 8), frame(0x4, 0, 0));
        let whole = frame(HEADERS, END_HEADERS, 300);
        let (first, last) = (frame(HEADERS, 0, 20), frame(CONTINUATION, END_HEADERS, 20));
        let sent = [PREFACE, &settings, &whole, &ping, &first, &last, &ping].concat();
        let ended_at = |frames: &[&[u8]]| frames.iter().map(|frame| frame.len()).sum::<usize>();
        let before_whole = ended_at(&[PREFACE, &settings]);
        let after_whole = before_whole + whole.len();
        let before_first = after_whole + ping.len();
        let after_last = before_first + first.len() + last.len();
        let mut heads = Heads::new();
        for (index, byte) in sent.iter().enumerate() {
            let is_on_its_way = heads.take(&[*byte], true);
            let count = index + 1;
            // A frame is known for a head when its own nine bytes are there.
            let expected = count < PREFACE.len()
                || (before_whole + 9..after_whole).contains(&count)
                || (before_first + 9..after_last).contains(&count);
            assert_eq!(is_on_its_way, expected, "after {count} bytes");
        }
        assert!(!Heads::new().take(&sent, true), "in one piece");
    }
}
