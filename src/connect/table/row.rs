//! A map laid over the columns of a table: rows become events.

use std::collections::HashMap;

use csv::StringRecord;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::cell::{CellFault, Clockface, known, text_of, value_of, written};
use super::map::Condition;
use crate::domain::event_type::EventType;
use crate::domain::fault::{Code, Fault};
use crate::domain::fields::Shape;
use crate::domain::hex::hex;

/// A map with the places of its columns in one table.
#[derive(Clone, Debug)]
pub(crate) struct RowReader {
    pub(super) columns: Vec<String>,
    pub(super) clockface: Clockface,
    pub(super) empty: Vec<String>,
    pub(super) shop_id: Place,
    pub(super) events: Vec<EventReader>,
    /// What no row makes, since the table lacks the column of the time.
    pub absent: Vec<Absent>,
}

/// An event that no row of a table makes.
#[derive(Clone, Debug)]
pub(crate) struct Absent {
    pub event_type: EventType,
    /// The table has none of these.
    pub columns: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct EventReader {
    pub event_type: EventType,
    pub time: usize,
    pub id: Option<Vec<IdPart>>,
    pub when: Vec<(usize, Condition)>,
    pub data: Vec<FieldReader>,
}

#[derive(Clone, Debug)]
pub(super) enum IdPart {
    Text(String),
    Column(usize),
}

#[derive(Clone, Debug)]
pub(super) struct FieldReader {
    pub name: String,
    pub shape: Shape,
    pub is_required: bool,
    pub place: Place,
}

/// Where a value comes from, in one table.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Value(Value),
    Column { index: usize, words: HashMap<String, Value>, other: Option<Value>, default: Option<Value> },
}

/// What a row says.
#[derive(Debug, Default)]
pub(crate) struct RowReading {
    pub events: Vec<RowEvent>,
    /// Of each event that could not be made, at least one. Several may be for the same cell.
    pub faults: Vec<Vec<RowFault>>,
}

/// An event that a row makes, not checked yet.
#[derive(Debug)]
pub(crate) struct RowEvent {
    /// In this service's own form.
    pub value: Value,
    /// Its place in the map.
    pub place: usize,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowFault {
    pub column: Option<String>,
    pub code: Code,
    pub detail: String,
}

impl RowReader {
    /// The names of the table's columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The events that a row makes, and what is wrong with those that it would make.
    pub(crate) fn read(&self, cells: &StringRecord) -> RowReading {
        let mut reading = RowReading::default();
        let row = Cells { reader: self, cells };
        for (place, event) in self.events.iter().enumerate() {
            let is_made = event.when.iter().all(|(index, condition)| condition.holds(row.text(*index)));
            let Some(time) = row.text(event.time).filter(|_| is_made) else { continue };
            match row.event(event, time) {
                Ok(value) => reading.events.push(RowEvent { value, place }),
                Err(faults) => reading.faults.push(faults),
            }
        }
        reading
    }

    /// A fault of the event at a place of the map, told of the column that it comes from.
    pub(crate) fn fault_of(&self, place: usize, fault: &Fault) -> RowFault {
        let reader = self.events.get(place);
        let index = match fault.pointer.as_str() {
            "/shop_id" => self.shop_id.index(),
            "/time" => reader.map(|reader| reader.time),
            "/id" => reader.and_then(|reader| {
                reader.id.iter().flatten().find_map(|part| match part {
                    IdPart::Column(index) => Some(*index),
                    IdPart::Text(_) => None,
                })
            }),
            pointer => reader.and_then(|reader| {
                let name = pointer.strip_prefix("/data/")?;
                reader.data.iter().find(|field| field.name == name)?.place.index()
            }),
        };
        RowFault { column: index.map(|index| self.column(index)), code: fault.code, detail: fault.detail.clone() }
    }

    fn column(&self, index: usize) -> String {
        self.columns.get(index).cloned().unwrap_or_default()
    }
}

impl Place {
    fn index(&self) -> Option<usize> {
        match self {
            Place::Value(_) => None,
            Place::Column { index, .. } => Some(*index),
        }
    }
}

impl Condition {
    fn holds(&self, text: Option<&str>) -> bool {
        let is_one = |texts: &[String]| text.is_some_and(|text| texts.iter().any(|one| one == text));
        let is_wanted = if self.is.is_empty() { text.is_some() || !self.not.is_empty() } else { is_one(&self.is) };
        is_wanted && !is_one(&self.not)
    }
}

/// A row and how it is read.
#[derive(Clone, Copy)]
struct Cells<'a> {
    reader: &'a RowReader,
    cells: &'a StringRecord,
}

impl<'a> Cells<'a> {
    /// What a cell says, if it says anything.
    fn text(self, index: usize) -> Option<&'a str> {
        let text = text_of(self.cells.get(index)?);
        (!text.is_empty() && !self.reader.empty.iter().any(|empty| empty == text)).then_some(text)
    }

    fn event(self, event: &EventReader, time: &str) -> Result<Value, Vec<RowFault>> {
        let mut faults = Vec::new();
        let mut noted = |index: Option<usize>, (code, detail)| {
            faults.push(RowFault { column: index.map(|index| self.reader.column(index)), code, detail });
        };
        let time = self.reader.clockface.moment(time);
        let time = time.map(written).map_err(|fault| noted(Some(event.time), fault));
        let shop_id = self.value(&self.reader.shop_id, Shape::Id).unwrap_or_else(|fault| {
            noted(self.reader.shop_id.index(), fault);
            None
        });
        let mut data = Map::new();
        for field in &event.data {
            match self.value(&field.place, field.shape) {
                Ok(Some(value)) => drop(data.insert(field.name.clone(), value)),
                Ok(None) if field.is_required => {
                    let detail = format!("{} needs a value here, for {}", event.event_type, field.name);
                    noted(field.place.index(), (Code::MissingField, detail));
                }
                Ok(None) => {}
                Err(fault) => noted(field.place.index(), fault),
            }
        }
        if shop_id.is_none() && faults.is_empty() {
            let (column, code) =
                (self.reader.shop_id.index().map(|index| self.reader.column(index)), Code::MissingField);
            faults.push(RowFault { column, code, detail: "the row names no shop".to_owned() });
        }
        let (Ok(time), Some(shop_id), true) = (time, shop_id, faults.is_empty()) else { return Err(faults) };
        let data = Value::Object(data);
        let id = match &event.id {
            Some(parts) => parts.iter().map(|part| self.id_part(part)).collect(),
            None => made_id(event.event_type, &shop_id, &time, &data),
        };
        Ok(json!({"id": id, "type": event.event_type.as_str(), "shop_id": shop_id, "time": time, "data": data}))
    }

    fn id_part(self, part: &'a IdPart) -> &'a str {
        match part {
            IdPart::Text(text) => text,
            IdPart::Column(index) => self.text(*index).unwrap_or_default(),
        }
    }

    /// What stands in a place; `None`: nothing.
    fn value(self, place: &Place, shape: Shape) -> Result<Option<Value>, CellFault> {
        let (index, words, other, default) = match place {
            Place::Value(value) => return Ok(Some(value.clone())),
            Place::Column { index, words, other, default } => (*index, words, other, default),
        };
        let clockface = &self.reader.clockface;
        let said = match self.text(index) {
            None => default.as_ref(),
            Some(text) => match words.get(text).or(other.as_ref()) {
                None => return value_of(text, shape, clockface).map(Some),
                meant => meant,
            },
        };
        said.map(|value| known(value, shape, clockface)).transpose()
    }
}

/// An id made of what an event says, so that the same row again says nothing new.
fn made_id(event_type: EventType, shop_id: &Value, time: &str, data: &Value) -> String {
    let said = json!([shop_id, time, data]).to_string();
    let hash = hex(&Sha256::digest(said.as_bytes())[..16]);
    format!("{event_type}:{hash}")
}

#[cfg(test)]
#[path = "row_tests.rs"]
mod tests;
