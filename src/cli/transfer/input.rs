//! Reading a file, plain, gzip or zstd: events, one on each line or a JSON array of them, or whatever else has numbers. A thread of
//! its own reads, since neither files nor pipes can be waited for otherwise.

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
use crate::domain::content::without_mark;
use crate::ingest::door::is_utf16;

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 20;
/// The most bytes of a line that are kept: enough to see that it is too large for an event.
const LINE_BYTES_MAX: u64 = 256 * 1024;
/// Parcels that wait to be sent.
const PARCELS_WAITING: usize = 2;

/// One event, or one row.
#[derive(Clone, Debug)]
pub(crate) struct Item<C> {
    /// Of its line, or of its place in an array; from 1.
    pub number: u64,
    /// What is numbered.
    pub unit: &'static str,
    pub content: C,
}

/// The text of an event.
pub(crate) type EventText = Vec<u8>;

/// Items that are sent together.
#[derive(Debug)]
pub(crate) struct Parcel<C> {
    pub items: Vec<Item<C>>,
    bytes: usize,
    /// Bytes of the file that were read by then.
    pub place: u64,
}

/// How much is sent together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParcelSize {
    pub items: usize,
    pub bytes: usize,
}

/// A file, or standard input for `-`.
pub(crate) struct Source {
    pub reader: Counted<Box<dyn Read + Send>>,
    pub place: Place,
}

/// Where a file is, and how much of it was read.
#[derive(Clone)]
pub(crate) struct Place {
    name: String,
    /// Of the file, compressed as it may be; `None` of a pipe.
    bytes: Option<u64>,
    read: Arc<AtomicU64>,
}

impl Place {
    pub(crate) fn unreadable(&self, error: &io::Error) -> CommandError {
        CommandError::input(format!("cannot read {}: {error}", self.name))
    }
}

impl Source {
    pub(crate) fn open(file: &Path) -> Result<Source, CommandError> {
        let mut place = Place { name: file.display().to_string(), bytes: None, read: Arc::default() };
        let source: Box<dyn Read + Send> = if file == Path::new("-") {
            Box::new(io::stdin())
        } else {
            let opened = File::open(file).map_err(|error| place.unreadable(&error))?;
            let metadata = opened.metadata().map_err(|error| place.unreadable(&error))?;
            place.bytes = metadata.is_file().then_some(metadata.len());
            Box::new(opened)
        };
        Ok(Source { reader: Counted { source, place: Arc::clone(&place.read) }, place })
    }
}

/// A file that is being read.
pub(crate) struct Input<C> {
    /// Of the file, compressed as it may be; `None` of a pipe.
    pub bytes: Option<u64>,
    pub parcels: mpsc::Receiver<Result<Parcel<C>, CommandError>>,
}

impl<C: Send + 'static> Input<C> {
    /// Begins to read items, from a number on.
    pub(crate) fn start(
        place: Place,
        from: u64,
        size: ParcelSize,
        read: impl FnOnce(&mut Packing<C>) -> io::Result<()> + Send + 'static,
    ) -> Input<C> {
        let bytes = place.bytes;
        let (sender, parcels) = mpsc::channel(PARCELS_WAITING);
        std::thread::spawn(move || {
            let parcel = Parcel { items: Vec::new(), bytes: 0, place: 0 };
            let mut packing = Packing { sender, parcel, from, size, place };
            if let Err(fault) = read(&mut packing).and_then(|()| packing.flush()) {
                let fault = packing.place.unreadable(&fault);
                // What was read before is sent; whoever wanted it may be gone.
                let _ = packing.flush().and_then(|()| packing.sender.blocking_send(Err(fault)).map_err(|_| gone()));
            }
        });
        Input { bytes, parcels }
    }
}

impl Input<EventText> {
    /// Begins to read a file of events.
    pub(crate) fn of_events(file: &Path, from: u64, size: ParcelSize) -> Result<Input<EventText>, CommandError> {
        let Source { reader, place } = Source::open(file)?;
        Ok(Input::start(place, from, size, move |packing| read_events(reader, packing)))
    }
}

/// The error of a reader whose receiver stopped; nobody sees it.
fn gone() -> io::Error {
    io::Error::from(io::ErrorKind::BrokenPipe)
}

/// A source that says how much of it was read.
pub(crate) struct Counted<R> {
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
pub(crate) struct Packing<C> {
    sender: mpsc::Sender<Result<Parcel<C>, CommandError>>,
    parcel: Parcel<C>,
    /// The first item that is wanted.
    from: u64,
    size: ParcelSize,
    place: Place,
}

impl<C> Packing<C> {
    /// Adds an item of so many bytes.
    pub(crate) fn add(&mut self, (unit, number): (&'static str, u64), content: C, bytes: usize) -> io::Result<()> {
        if number < self.from {
            return Ok(());
        }
        self.parcel.bytes += bytes;
        self.parcel.items.push(Item { number, unit, content });
        if self.parcel.items.len() >= self.size.items || self.parcel.bytes >= self.size.bytes {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let items = std::mem::take(&mut self.parcel.items);
        let parcel = Parcel { items, bytes: 0, place: self.place.read.load(Ordering::Relaxed) };
        self.parcel.bytes = 0;
        if parcel.items.is_empty() { Ok(()) } else { self.sender.blocking_send(Ok(parcel)).map_err(|_| gone()) }
    }
}

impl Packing<EventText> {
    fn add_event(&mut self, number: (&'static str, u64), mut text: Vec<u8>) -> io::Result<()> {
        // It is too large for an event; the rest of it would only make its neighbours' request too large, too.
        text.truncate(LINE_BYTES_MAX as usize);
        let bytes = text.len();
        self.add(number, text, bytes)
    }
}

/// The text of a file that may be compressed.
pub(crate) fn decompressed(source: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let (beginning, raw) = begun(source, 4)?;
    let raw = BufReader::with_capacity(BUFFER_BYTES, raw);
    Ok(match beginning[..] {
        [0x1F, 0x8B, ..] => Box::new(MultiGzDecoder::new(raw)),
        [0x28, 0xB5, 0x2F, 0xFD] => Box::new(zstd::Decoder::with_buffer(raw)?),
        _ => Box::new(raw),
    })
}

fn read_events(source: impl Read + Send + 'static, packing: &mut Packing<EventText>) -> io::Result<()> {
    let (beginning, text) = begun(decompressed(source)?, 3)?;
    if is_utf16(&beginning) {
        return Err(io::Error::other("it is UTF-16; save it as UTF-8"));
    }
    let mut text = BufReader::with_capacity(BUFFER_BYTES, text);
    text.read_exact(&mut vec![0; beginning.len() - without_mark(&beginning).len()])?;
    let (first, blank_lines) = skip_blanks(&mut text)?;
    match first {
        None => Ok(()),
        Some(b'{') => read_lines(text, blank_lines + 1, packing),
        Some(b'[') => read_array(text, packing),
        Some(_) => Err(io::Error::other(
            "it begins with neither { nor [; it must hold one event in JSON on each line, or a JSON array of events \
             (shopscore import reads tables)",
        )),
    }
}

/// The first bytes of a source, fewer only where it ends, and the source with them. A pipe may give less at a time.
fn begun<R: Read>(mut source: R, bytes: u64) -> io::Result<(Vec<u8>, impl Read + use<R>)> {
    let mut beginning = Vec::new();
    source.by_ref().take(bytes).read_to_end(&mut beginning)?;
    Ok((beginning.clone(), io::Cursor::new(beginning).chain(source)))
}

/// Skips white space. Returns the byte after it, and how many lines ended on the way.
fn skip_blanks(text: &mut impl BufRead) -> io::Result<(Option<u8>, u64)> {
    let mut lines = 0;
    loop {
        let buffer = text.fill_buf()?;
        let blanks = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (first, is_end) = (buffer.get(blanks).copied(), buffer.is_empty());
        lines += buffer[..blanks].iter().filter(|byte| **byte == b'\n').count() as u64;
        text.consume(blanks);
        if first.is_some() || is_end {
            return Ok((first, lines));
        }
    }
}

fn read_lines(mut text: impl BufRead, first: u64, packing: &mut Packing<EventText>) -> io::Result<()> {
    for number in first.. {
        let mut line = Vec::new();
        if (&mut text).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n") {
            text.skip_until(b'\n')?;
        }
        let event = line.trim_ascii();
        if !event.is_empty() {
            packing.add_event(("line", number), event.to_vec())?;
        }
    }
    Ok(())
}

fn read_array(text: impl BufRead, packing: &mut Packing<EventText>) -> io::Result<()> {
    let mut json = serde_json::Deserializer::from_reader(text);
    let whole = Elements(packing).deserialize(&mut json).and_then(|()| json.end());
    whole.map_err(|error| io::Error::other(format!("the JSON array is broken: {error}")))
}

/// Hands the elements of an array on as they are read.
struct Elements<'a>(&'a mut Packing<EventText>);

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
            let text = element.get().as_bytes().to_vec();
            self.0.add_event(("element", number), text).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
