//! Reading events from a file: one on each line, or a JSON array of them; plain, gzip or zstd. A thread of its own reads,
//! since neither files nor pipes can be waited for otherwise.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::cli::exit::CommandError;
use crate::ingest::door::{is_utf16, without_mark};

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 20;
/// The most bytes of a line that are kept: enough to see that it is too large for an event.
const LINE_BYTES_MAX: u64 = 256 * 1024;
/// Parcels that wait to be sent.
const PARCELS_WAITING: usize = 2;

/// One event's text.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Of its line, or of its place in an array; from 1.
    pub number: u64,
    /// What is numbered.
    pub unit: &'static str,
    pub text: Vec<u8>,
}

/// Events that are sent together.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    pub items: Vec<Item>,
    bytes: usize,
    /// Bytes of the file that were read by then.
    pub place: u64,
}

/// How much is sent together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParcelSize {
    pub events: usize,
    pub bytes: usize,
}

/// A file that is being read.
pub(crate) struct Input {
    /// Of the file, compressed as it may be; `None` of a pipe.
    pub bytes: Option<u64>,
    pub parcels: mpsc::Receiver<Result<Parcel, CommandError>>,
}

impl Input {
    /// Begins to read a file, or standard input for `-`, from an item on.
    pub(crate) fn open(file: &Path, from: u64, size: ParcelSize) -> Result<Input, CommandError> {
        let unreadable = |error: io::Error| CommandError::input(format!("cannot read {}: {error}", file.display()));
        let (source, bytes): (Box<dyn Read + Send>, Option<u64>) = if file == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let opened = File::open(file).map_err(unreadable)?;
            let metadata = opened.metadata().map_err(unreadable)?;
            (Box::new(opened), metadata.is_file().then_some(metadata.len()))
        };
        let name = file.display().to_string();
        let (sender, parcels) = mpsc::channel(PARCELS_WAITING);
        std::thread::spawn(move || {
            let place = Arc::new(AtomicU64::new(0));
            let counted = Counted { source, place: Arc::clone(&place) };
            let mut packing = Packing { sender, parcel: Parcel::default(), from, size, place };
            if let Err(fault) = read_all(counted, &mut packing) {
                let fault = CommandError::input(format!("cannot read {name}: {fault}"));
                // What was read before is sent; whoever wanted it may be gone.
                let _ = packing.flush().and_then(|()| packing.sender.blocking_send(Err(fault)).map_err(|_| gone()));
            }
        });
        Ok(Input { bytes, parcels })
    }
}

/// The error of a reader whose receiver stopped; nobody sees it.
fn gone() -> io::Error {
    io::Error::from(io::ErrorKind::BrokenPipe)
}

/// A source that says how much of it was read.
struct Counted<R> {
    source: R,
    place: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.place.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Gathers items to parcels and sends them.
struct Packing {
    sender: mpsc::Sender<Result<Parcel, CommandError>>,
    parcel: Parcel,
    /// The first item that is wanted.
    from: u64,
    size: ParcelSize,
    place: Arc<AtomicU64>,
}

impl Packing {
    fn add(&mut self, (unit, number): (&'static str, u64), text: Vec<u8>) -> io::Result<()> {
        if number < self.from {
            return Ok(());
        }
        self.parcel.bytes += text.len();
        self.parcel.items.push(Item { number, unit, text });
        if self.parcel.items.len() >= self.size.events || self.parcel.bytes >= self.size.bytes {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut parcel = std::mem::take(&mut self.parcel);
        parcel.place = self.place.load(Ordering::Relaxed);
        if parcel.items.is_empty() { Ok(()) } else { self.sender.blocking_send(Ok(parcel)).map_err(|_| gone()) }
    }
}

fn read_all(source: impl Read + Send + 'static, packing: &mut Packing) -> io::Result<()> {
    let mut raw = BufReader::with_capacity(BUFFER_BYTES, source);
    let beginning = raw.fill_buf()?;
    let mut text: Box<dyn BufRead> = if beginning.starts_with(&[0x1F, 0x8B]) {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(raw)))
    } else if beginning.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::with_buffer(raw)?))
    } else {
        Box::new(raw)
    };
    let beginning = text.fill_buf()?;
    if is_utf16(beginning) {
        return Err(io::Error::other("it is UTF-16; save it as UTF-8"));
    }
    let unmarked = without_mark(beginning);
    let first = unmarked.trim_ascii_start().first().copied();
    let mark_bytes = beginning.len() - unmarked.len();
    text.consume(mark_bytes);
    match first {
        None => Ok(()),
        Some(b'{') => read_lines(text, packing),
        Some(b'[') => read_array(text, packing),
        Some(_) => Err(io::Error::other(
            "it begins with neither { nor [; it must hold one event in JSON on each line, or a JSON array of events",
        )),
    }?;
    packing.flush()
}

fn read_lines(mut text: impl BufRead, packing: &mut Packing) -> io::Result<()> {
    for number in 1.. {
        let mut line = Vec::new();
        if (&mut text).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n") {
            text.skip_until(b'\n')?;
        }
        let event = line.trim_ascii();
        if !event.is_empty() {
            let event = event.to_vec();
            packing.add(("line", number), event)?;
        }
    }
    Ok(())
}

fn read_array(text: impl BufRead, packing: &mut Packing) -> io::Result<()> {
    let mut json = serde_json::Deserializer::from_reader(text);
    let whole = Elements(packing).deserialize(&mut json).and_then(|()| json.end());
    whole.map_err(|error| io::Error::other(format!("the JSON array is broken: {error}")))
}

/// Hands the elements of an array on as they are read.
struct Elements<'a>(&'a mut Packing);

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(element) = elements.next_element::<Box<RawValue>>()? {
            number += 1;
            self.0.add(("element", number), element.get().as_bytes().to_vec()).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Input, ParcelSize};

    /// The numbers and texts of all items of a file, and what is wrong with it.
    fn read(name: &str, bytes: &[u8], from: u64) -> (Vec<(u64, String)>, Option<String>) {
        let file = std::env::temp_dir().join(format!("shopscore-input-{}-{name}", std::process::id()));
        std::fs::File::create(&file).and_then(|mut opened| opened.write_all(bytes)).expect("a file");
        let mut input = Input::open(&file, from, ParcelSize { events: 2, bytes: 1_000 }).expect("an input");
        let (mut items, mut fault) = (Vec::new(), None);
        while let Some(parcel) = input.parcels.blocking_recv() {
            match parcel {
                Ok(parcel) => items.extend(
                    parcel
                        .items
                        .into_iter()
                        .map(|item| (item.number, String::from_utf8_lossy(&item.text).into_owned())),
                ),
                Err(error) => fault = Some(error.to_string()),
            }
        }
        std::fs::remove_file(&file).expect("the file");
        (items, fault)
    }

    fn owned(items: &[(u64, &str)]) -> Vec<(u64, String)> {
        items.iter().map(|(number, text)| (*number, (*text).to_owned())).collect()
    }

    #[test]
    fn lines_and_arrays_are_split_into_events_with_their_numbers() {
        let lines = b"\xEF\xBB\xBF{\"a\":1}\r\n\n  {\"b\":2}\nnonsense\n{\"c\":3}";
        let wanted = [(1, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "nonsense"), (5, "{\"c\":3}")];
        assert_eq!(read("lines", lines, 1), (owned(&wanted), None));
        assert_eq!(read("later", lines, 4), (owned(&wanted[2..]), None), "from a line on");
        let array = b" [ {\"a\": [1, \"]\"]},\n 7 ,{\"b\":\"}\"} ] ";
        assert_eq!(
            read("array", array, 1),
            (owned(&[(1, "{\"a\": [1, \"]\"]}"), (2, "7"), (3, "{\"b\":\"}\"}")]), None)
        );
        assert_eq!(read("empty", b" \n ", 1), (Vec::new(), None));
    }

    #[test]
    fn what_is_read_before_a_broken_place_is_sent_and_the_place_is_named() {
        let (items, fault) = read("broken", b"[{\"a\":1},{\"b\":2},{\"c\":3},nonsense]", 1);
        assert_eq!(items.len(), 3);
        assert!(fault.is_some_and(|fault| fault.contains("the JSON array is broken") && fault.contains("column")));
        for (name, bytes, reason) in [
            ("csv", &b"order_id,shop_id\n1,2\n"[..], "begins with neither { nor ["),
            ("utf16", &b"\xFF\xFE{\0"[..], "UTF-16"),
        ] {
            let (items, fault) = read(name, bytes, 1);
            assert!(items.is_empty() && fault.as_ref().is_some_and(|fault| fault.contains(reason)), "{fault:?}");
        }
    }

    #[test]
    fn a_line_without_an_end_takes_little_memory() {
        let long = [b"{\"a\":\"", vec![b'x'; 3 << 20].as_slice(), b"\"}\n{\"b\":2}\n"].concat();
        let (items, fault) = read("long", &long, 1);
        assert_eq!((items.len(), fault), (2, None));
        assert_eq!((items[0].1.len(), items[1].clone()), (256 * 1024, (2, "{\"b\":2}".to_owned())));
    }
}
