//! A table on its way in: rows of cells with the lines that they begin at.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use csv::{ByteRecord, ReaderBuilder, StringRecord};
use encoding_rs::GB18030;

use super::cell::text_of;
use super::map::{Encoding, TableMap};
use crate::domain::content::without_mark;

/// How much of a file is looked at to tell how it is written.
const BEGINNING_BYTES: u64 = 256 * 1024;
/// The most bytes of a row. A quotation mark that is never closed makes one of all the rest.
const ROW_BYTES_MAX: usize = 1024 * 1024;
/// Between cells, where the map does not say it.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// A row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The line that it begins at, from 1.
    pub line: u64,
    pub cells: StringRecord,
    /// What stands between them in the table.
    pub delimiter: u8,
    /// What is wrong with the row as a whole.
    pub fault: Option<String>,
}

/// A table that is being read.
pub(crate) struct TableFile<R> {
    reader: csv::Reader<Bounded<io::Chain<io::Cursor<Vec<u8>>, R>>>,
    encoding: Encoding,
    /// The names of the columns, as they stand in the first row.
    pub header: Vec<String>,
    /// What stands between cells.
    pub delimiter: u8,
    since_row: Arc<AtomicUsize>,
    record: ByteRecord,
}

impl<R: Read> TableFile<R> {
    /// Begins to read a table up to the names of its columns. A map says how it is written, as far as it does.
    pub(crate) fn open(mut source: R, map: &TableMap) -> io::Result<TableFile<R>> {
        let mut beginning = Vec::new();
        source.by_ref().take(BEGINNING_BYTES).read_to_end(&mut beginning)?;
        if beginning.starts_with(&[0xFE, 0xFF]) || beginning.starts_with(&[0xFF, 0xFE]) {
            return Err(io::Error::other("it is UTF-16; save it as CSV in UTF-8"));
        }
        if beginning.starts_with(b"PK\x03\x04") {
            return Err(io::Error::other("it is a workbook, not a text; save it as CSV in UTF-8"));
        }
        let has_mark = without_mark(&beginning).len() < beginning.len();
        let beginning = without_mark(&beginning).to_vec();
        let encoding = map.encoding.filter(|_| !has_mark).unwrap_or_else(|| encoding_of(&beginning));
        let delimiter = map.delimiter.unwrap_or_else(|| delimiter_of(&beginning));
        let source = io::Cursor::new(beginning).chain(source);
        let since_row = Arc::new(AtomicUsize::new(0));
        let source = Bounded { source, since_row: Arc::clone(&since_row), holds_return: false, is_in_line: false };
        let reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(source);
        let record = ByteRecord::new();
        let mut file = TableFile { reader, encoding, header: Vec::new(), delimiter, since_row, record };
        let first = file.next()?.ok_or_else(|| io::Error::other("it is empty; its first row must name the columns"))?;
        if let Some(fault) = first.fault {
            return Err(io::Error::other(format!("its first row, which names the columns, cannot be read: {fault}")));
        }
        file.header = first.cells.iter().map(|cell| text_of(cell).to_owned()).collect();
        Ok(file)
    }

    /// The next row that is not blank.
    pub(crate) fn next(&mut self) -> io::Result<Option<Row>> {
        loop {
            self.since_row.store(0, Ordering::Relaxed);
            let line = self.reader.position().line();
            let is_read = self
                .reader
                .read_byte_record(&mut self.record)
                .map_err(|error| io::Error::other(format!("from line {line} on: {error}")))?;
            if !is_read {
                return Ok(None);
            }
            if self.record.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            // The reader stands behind the row's end.
            let line_feeds = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
            let line = self.reader.position().line().saturating_sub(1 + line_feeds);
            let (cells, fault) = self.decoded();
            let columns = self.header.len();
            let is_longer =
                |cells: &StringRecord| columns > 0 && cells.iter().skip(columns).any(|cell| !cell.trim().is_empty());
            let fault = fault.or_else(|| {
                is_longer(&cells).then(|| {
                    format!("the row has {} cells and the table {columns} columns; put quotation marks around cells with delimiters", cells.len())
                })
            });
            return Ok(Some(Row { line, cells, delimiter: self.delimiter, fault }));
        }
    }

    fn decoded(&self) -> (StringRecord, Option<String>) {
        match self.encoding {
            Encoding::Utf8 => match StringRecord::from_byte_record(self.record.clone()) {
                Ok(cells) => (cells, None),
                Err(_) => {
                    let cells = self.record.iter().map(String::from_utf8_lossy).collect();
                    let fault = "it has bytes that are no UTF-8; say encoding = \"gb18030\" in the map, or save the file as UTF-8";
                    (cells, Some(fault.to_owned()))
                }
            },
            Encoding::Gb18030 => {
                let cells: Vec<_> = self.record.iter().map(|cell| GB18030.decode_without_bom_handling(cell)).collect();
                let is_broken = cells.iter().any(|(_, is_broken)| *is_broken);
                let fault = is_broken.then(|| "it has bytes that are no GB18030; save the file as UTF-8".to_owned());
                (cells.iter().map(|(cell, _)| cell).collect(), fault)
            }
        }
    }
}

/// UTF-8, but for beginnings that cannot be.
fn encoding_of(beginning: &[u8]) -> Encoding {
    match std::str::from_utf8(beginning) {
        // The last letter may be cut.
        Err(error) if error.error_len().is_some() => Encoding::Gb18030,
        _ => Encoding::Utf8,
    }
}

/// What the first line has most of.
fn delimiter_of(beginning: &[u8]) -> u8 {
    let line = beginning.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let count = |delimiter: &u8| line.iter().filter(|byte| *byte == delimiter).count();
    // The last of equals is taken: the comma.
    DELIMITERS.into_iter().rev().max_by_key(count).unwrap_or(b',')
}

/// Gives every line one line feed as its end, so that lines can be counted, and ends where a row has too many bytes.
struct Bounded<R> {
    source: R,
    since_row: Arc<AtomicUsize>,
    /// Whether a carriage return was read of which it is not known whether a line feed follows.
    holds_return: bool,
    /// Whether a line was begun.
    is_in_line: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_row.load(Ordering::Relaxed) > ROW_BYTES_MAX {
            return Err(io::Error::other("a row has more than 1 MiB; a quotation mark is not closed"));
        }
        loop {
            let held = usize::from(self.holds_return);
            if let (true, Some(first)) = (self.holds_return, buffer.first_mut()) {
                *first = b'\r';
            }
            let read = self.source.read(buffer.get_mut(held..).unwrap_or_default())?;
            self.since_row.fetch_add(read, Ordering::Relaxed);
            if read == 0 {
                let is_open = self.is_in_line || self.holds_return;
                (self.is_in_line, self.holds_return) = (false, false);
                return Ok(buffer.first_mut().filter(|_| is_open).map_or(0, |first| {
                    *first = b'\n';
                    1
                }));
            }
            let end = self.with_line_feeds(buffer, held + read);
            if end > 0 {
                return Ok(end);
            }
        }
    }
}

impl<R> Bounded<R> {
    /// Makes one line feed of every line's end in what was read; says how much is left.
    fn with_line_feeds(&mut self, buffer: &mut [u8], bytes: usize) -> usize {
        // Whether a line feed follows the last one is seen with the next bytes.
        self.holds_return = buffer.get(..bytes).is_some_and(|read| read.ends_with(b"\r"));
        let bytes = bytes - usize::from(self.holds_return);
        let mut end = 0;
        for place in 0..bytes {
            let is_return = buffer[place] == b'\r';
            if is_return && buffer[..bytes].get(place + 1) == Some(&b'\n') {
                continue;
            }
            buffer[end] = if is_return { b'\n' } else { buffer[place] };
            end += 1;
        }
        if let Some(last) = buffer[..end].last() {
            self.is_in_line = *last != b'\n';
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::TableFile;
    use crate::connect::table::map_file;

    /// A row's line, its cells, and whether anything is wrong with it.
    type Found = (u64, Vec<String>, bool);

    /// The columns and rows of a file, or what is wrong with it.
    fn read(bytes: &[u8]) -> Result<(Vec<String>, Vec<Found>), String> {
        let map =
            map_file::parse("[[event]]\ntype = \"order.signed\"\ntime = \"t\"\ndata.order_id = \"o\"").expect("a map");
        let mut file = TableFile::open(bytes, &map).map_err(|error| error.to_string())?;
        let mut rows = Vec::new();
        while let Some(row) = file.next().map_err(|error| error.to_string())? {
            rows.push((row.line, row.cells.iter().map(str::to_owned).collect(), row.fault.is_some()));
        }
        Ok((file.header, rows))
    }

    fn texts(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn rows_have_the_lines_that_they_begin_at_and_quoted_cells_their_line_breaks() {
        let (header, rows) =
            read(b"\xEF\xBB\xBF\r\na,b\r\n1,\"x\r\ny, \"\"z\"\"\"\r\n\r\n,\r\n2\r\n3,4,5\r\n").expect("a table");
        assert_eq!(header, ["a", "b"]);
        let wanted =
            [(3, texts(&["1", "x\ny, \"z\""]), false), (7, texts(&["2"]), false), (8, texts(&["3", "4", "5"]), true)];
        assert_eq!(rows, wanted);
    }

    #[test]
    fn delimiters_and_letters_are_told_from_the_beginning() {
        let (header, rows) = read("a\tb,c\td\n1\t2\t3\n".as_bytes()).expect("tabs");
        assert_eq!((header.len(), rows[0].1.len()), (3, 3));
        // "订单号" and "陆" in GB18030; the second alone would be UTF-8, too.
        let (header, rows) = read(b"\xB6\xA9\xB5\xA5\xBA\xC5;b\n\xC2\xBD;1\n").expect("GB18030");
        assert_eq!((header[0].as_str(), rows[0].1[0].as_str()), ("订单号", "陆"));
        // Lines may end as old machines had it, and a mark says UTF-8 whatever the map says.
        let (_, rows) = read(b"a,b\r1,2\r3,4").expect("carriage returns");
        assert_eq!(
            rows.iter().map(|row| (row.0, row.1.clone())).collect::<Vec<_>>(),
            [(2, texts(&["1", "2"])), (3, texts(&["3", "4"]))]
        );
        // The beginning is UTF-8, and so is taken the rest.
        let (_, rows) =
            read(&[b"a,b\n".as_slice(), &b"1,2\n".repeat(100_000), b"\xB6\xA9,1\n"].concat()).expect("UTF-8");
        assert!(rows.len() == 100_001 && rows[100_000].2 && !rows[99_999].2);
    }

    #[test]
    fn what_is_no_table_is_refused_with_the_reason() {
        for (bytes, reason) in [
            (&b""[..], "is empty"),
            (b"\xFF\xFEa\0", "UTF-16"),
            (b"PK\x03\x04", "a workbook"),
            (&[b"a,b\n\"1,2\n".as_slice(), &b"1,2\n".repeat(600_000)].concat(), "quotation mark is not closed"),
        ] {
            let fault = read(bytes).expect_err(reason);
            assert!(fault.contains(reason), "{fault}");
        }
    }
}
