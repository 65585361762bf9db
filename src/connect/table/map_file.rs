//! The file of a map (TOML), checked as a whole.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;

use chrono::format::StrftimeItems;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::map::{ColumnSource, Condition, Encoding, EventMap, FieldMap, Part, Source, TableMap, TimeFormat};
use crate::domain::event_type::EventType;
use crate::domain::fields::{FieldDefinition, Presence, Shape};
use crate::domain::words::Word;

/// What is wrong with a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapFault {
    pub line: usize,
    pub message: String,
}

impl fmt::Display for MapFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

/// The most events that a row makes.
const EVENTS_MAX: usize = 64;

/// How times are written where a map does not say it.
const TIMES: [&str; 5] =
    ["%Y-%m-%d %H:%M:%S%.f", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y-%m-%dT%H:%M:%S%.f"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMap {
    zone: Option<Spanned<String>>,
    times: Option<Vec<Spanned<String>>>,
    delimiter: Option<Spanned<String>>,
    encoding: Option<Spanned<String>>,
    #[serde(default)]
    empty: Vec<String>,
    shop_id: Option<RawSource>,
    #[serde(default)]
    event: Vec<Spanned<RawEvent>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    r#type: Spanned<String>,
    time: Columns,
    id: Option<Spanned<String>>,
    #[serde(default)]
    when: Vec<RawCondition>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    data: BTreeMap<String, RawSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCondition {
    column: String,
    #[serde(default)]
    is: Vec<String>,
    #[serde(default)]
    not: Vec<String>,
}

/// The name of a column, or names of which a table has one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a column's name, or a list of names of which a table has one")]
enum Columns {
    One(String),
    Any(Vec<String>),
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a column's name, a list of names, { value = … }, or { column = …, words, other, default }"
)]
enum RawSource {
    Columns(Columns),
    Value(RawValue),
    Column(RawColumn),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawValue {
    value: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawColumn {
    column: Columns,
    #[serde(default)]
    words: HashMap<String, Value>,
    other: Option<Value>,
    default: Option<Value>,
}

impl From<Columns> for Vec<String> {
    fn from(columns: Columns) -> Vec<String> {
        match columns {
            Columns::One(name) => vec![name],
            Columns::Any(names) => names,
        }
    }
}

impl From<RawSource> for Source {
    fn from(raw: RawSource) -> Source {
        match raw {
            RawSource::Value(RawValue { value }) => Source::Value(value),
            RawSource::Columns(columns) => {
                Source::Column(ColumnSource { columns: columns.into(), ..ColumnSource::default() })
            }
            RawSource::Column(RawColumn { column, words, other, default }) => {
                Source::Column(ColumnSource { columns: column.into(), words, other, default })
            }
        }
    }
}

/// Reads a map; all faults that can be told apart are reported at once.
pub fn parse(source: &str) -> Result<TableMap, Vec<MapFault>> {
    let line = |span: Range<usize>| source[..span.start.min(source.len())].matches('\n').count() + 1;
    let raw: RawMap = toml::from_str(source).map_err(|error| {
        let line = error.span().map_or(1, line);
        vec![MapFault { line, message: error.message().to_owned() }]
    })?;
    let mut reader = Reader { line: &line, faults: Vec::new() };
    let map = reader.map(raw);
    reader.faults.sort_by_key(|fault| fault.line);
    if reader.faults.is_empty() { Ok(map) } else { Err(reader.faults) }
}

struct Reader<'a> {
    line: &'a dyn Fn(Range<usize>) -> usize,
    faults: Vec<MapFault>,
}

impl Reader<'_> {
    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(MapFault { line: (self.line)(span), message: message.into() });
    }

    /// What a word means, where one is given.
    fn word<T>(&mut self, raw: Option<&Spanned<String>>, read: fn(&str) -> Option<T>, wanted: &str) -> Option<T> {
        let raw = raw?;
        let read = read(raw.get_ref());
        if read.is_none() {
            self.fault(raw.span(), wanted);
        }
        read
    }

    fn map(&mut self, raw: RawMap) -> TableMap {
        let zone = |name: &str| name.parse().ok();
        let zone = self.word(raw.zone.as_ref(), zone, "zone is an IANA time zone name such as Asia/Shanghai");
        let one_byte = |text: &str| <[u8; 1]>::try_from(text.as_bytes()).ok().map(|[byte]| byte);
        let delimiter =
            self.word(raw.delimiter.as_ref(), one_byte, "delimiter is one ASCII character, such as \";\" or \"\\t\"");
        let encodings = format!("encoding is one of {}", Encoding::list());
        let encoding = self.word(raw.encoding.as_ref(), Encoding::parse, &encodings);
        if raw.event.is_empty() {
            self.fault(0..0, "there is no [[event]]: nothing would be made of a row");
        }
        if raw.event.len() > EVENTS_MAX {
            self.fault(0..0, format!("a row makes at most {EVENTS_MAX} events"));
        }
        let events = raw.event.into_iter().filter_map(|event| self.event(event)).collect();
        let times = self.times(raw.times);
        TableMap { zone, times, delimiter, encoding, empty: raw.empty, shop_id: raw.shop_id.map(Source::from), events }
    }

    fn times(&mut self, raw: Option<Vec<Spanned<String>>>) -> Vec<TimeFormat> {
        let read = |format: &str| StrftimeItems::new(format).parse_to_owned().ok();
        match raw {
            None => TIMES.iter().filter_map(|format| read(format)).collect(),
            Some(formats) => {
                let mut known = Vec::new();
                for format in formats {
                    match read(format.get_ref()) {
                        Some(items) => known.push(items),
                        None => self
                            .fault(format.span(), "not a format of times; it is such as %Y-%m-%d %H:%M:%S (strftime)"),
                    }
                }
                known
            }
        }
    }

    fn event(&mut self, raw: Spanned<RawEvent>) -> Option<EventMap> {
        let span = raw.span();
        let raw = raw.into_inner();
        let event_type = EventType::parse(raw.r#type.get_ref()).filter(|one| one.aggregate_kind().is_some());
        let Some(event_type) = event_type else {
            let known = EventType::ALL.iter().filter(|one| one.aggregate_kind().is_some());
            let known: Vec<&str> = known.map(|one| one.as_str()).collect();
            self.fault(raw.r#type.span(), format!("type is one of {}", known.join(", ")));
            return None;
        };
        let fields = fields_of(event_type);
        let mut data = Vec::new();
        for (name, source) in raw.data {
            match fields.iter().find(|field| field.name == name) {
                Some(field) => data.push(FieldMap { source: source.into(), ..field.clone() }),
                None => {
                    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                    self.fault(span.clone(), format!("{event_type} has no {name}; it has {}", names.join(", ")));
                }
            }
        }
        for field in fields.iter().filter(|field| field.is_required) {
            if !data.iter().any(|mapped| mapped.name == field.name) {
                self.fault(span.clone(), format!("{event_type} needs data.{}", field.name));
            }
        }
        let id = raw.id.map(|id| {
            Part::split(id.get_ref()).unwrap_or_else(|| {
                self.fault(id.span(), "id is a text with columns in braces, such as \"{order_id}:paid\"");
                Vec::new()
            })
        });
        let when = raw.when.into_iter();
        let when = when.map(|RawCondition { column, is, not }| Condition { column, is, not }).collect();
        Some(EventMap { event_type, time: raw.time.into(), id, when, is_optional: raw.optional, data })
    }
}

/// The members of an event's data: the id of what it speaks of, and its fields. Where they come from is not said yet.
fn fields_of(event_type: EventType) -> Vec<FieldMap> {
    let field = |name: &str, shape, is_required| FieldMap {
        name: name.to_owned(),
        shape,
        is_required,
        source: Source::Value(Value::Null),
    };
    let aggregate = event_type.aggregate_kind().map(|kind| field(kind.field(), Shape::Id, true));
    let of_definition = |of: &FieldDefinition| field(of.name, of.shape, of.presence == Presence::Required);
    aggregate.into_iter().chain(event_type.definition().fields.iter().map(of_definition)).collect()
}

#[cfg(test)]
mod tests {
    use super::{MapFault, parse};

    #[test]
    fn all_faults_of_a_map_are_told_with_their_lines() {
        let source = "zone = \"Shanghai\"\ntimes = [\"%Q\"]\ndelimiter = \"ab\"\nencoding = \"gbk\"\n[[event]]\ntype = \"order.payed\"\ntime = \"t\"\n\
                      [[event]]\ntype = \"review.posted\"\ntime = [\"a\", \"b\"]\nid = \"{x\"\ndata.order_id = \"o\"\ndata.stars = \"s\"\n";
        let faults = parse(source).expect_err("faults");
        let told: Vec<String> = faults.iter().map(MapFault::to_string).collect();
        for (line, part) in [
            (1, "IANA"),
            (2, "strftime"),
            (3, "one ASCII character"),
            (4, "utf-8, gb18030"),
            (6, "type is one of order.paid"),
            (8, "review.posted has no stars; it has order_id, review_id"),
            (8, "review.posted needs data.review_id"),
            (8, "review.posted needs data.product_stars"),
            (11, "columns in braces"),
        ] {
            let is_told = |fault: &String| fault.starts_with(&format!("line {line}: ")) && fault.contains(part);
            assert!(told.iter().any(is_told), "{part}: {told:#?}");
        }
        assert_eq!(told.len(), 9, "{told:#?}");
        let faults = parse("[[event]]\ntype = \"order.paid\"\ntime = \"t\"\ndata.order_id = { colum = \"o\" }")
            .expect_err("a fault");
        assert!(faults[0].message.contains("{ value = … }"), "{faults:?}");
        assert!(parse("").expect_err("no event")[0].message.contains("[[event]]"));
    }
}
