//! Laying a map over the columns of a table.

use std::collections::{BTreeSet, HashSet};
use std::slice;

use chrono_tz::Tz;
use serde_json::json;

use super::cell::{Clockface, known};
use super::map::{ColumnSource, Condition, EventMap, FieldMap, Part, Source, TableMap};
use super::row::{Absent, EventReader, FieldReader, IdPart, Place, RowReader};
use crate::domain::calendar::Calendar;
use crate::domain::fields::Shape;

impl TableMap {
    /// Lays the map over the columns of a table. `shop_id`: the shop of all rows, where the map names none. Fails with all that the
    /// table lacks.
    pub(crate) fn over(&self, columns: &[String], shop_id: Option<&str>, zone: Tz) -> Result<RowReader, Vec<String>> {
        let calendar = Calendar::new(self.zone.unwrap_or(zone));
        let clockface = Clockface { calendar, formats: self.times.clone() };
        let mut laying = Laying { columns, clockface: &clockface, faults: Vec::new(), lacking: Vec::new() };
        let shop_id = match (shop_id, &self.shop_id) {
            (Some(shop_id), _) => Some(Place::Value(json!(shop_id))),
            (None, Some(source)) => laying.place(source, Shape::Id, true),
            (None, None) => {
                laying.faults.push("the map says no shop_id: say whose rows these are".to_owned());
                None
            }
        };
        let (mut events, mut absent) = (Vec::new(), Vec::new());
        for event in &self.events {
            let before = laying.lacking.len();
            let read = laying.event(event);
            if event.is_optional && laying.lacking.len() > before {
                let mut columns = laying.lacking.split_off(before).concat();
                let mut seen = HashSet::new();
                columns.retain(|column| seen.insert(column.clone()));
                absent.push(Absent { event_type: event.event_type, columns });
            } else {
                events.extend(read);
            }
        }
        if events.is_empty() && laying.lacking.is_empty() {
            laying.lacking.extend(self.events.iter().map(|event| event.time.clone()));
        }
        let Laying { mut faults, lacking, .. } = laying;
        let lacking: BTreeSet<Vec<String>> = lacking.into_iter().collect();
        let has = columns.join(", ");
        faults.extend(
            lacking.iter().map(|names| format!("the table has no column {}; it has {has}", names.join(" or "))),
        );
        match shop_id {
            Some(shop_id) if faults.is_empty() => {
                let (columns, empty) = (columns.to_vec(), self.empty.clone());
                Ok(RowReader { columns, clockface, empty, shop_id, events, absent })
            }
            _ => Err(faults),
        }
    }
}

struct Laying<'a> {
    columns: &'a [String],
    clockface: &'a Clockface,
    faults: Vec<String>,
    /// Columns that must be there and are not: of each list any would do.
    lacking: Vec<Vec<String>>,
}

impl Laying<'_> {
    /// The first of some columns that the table has.
    fn column(&self, names: &[String]) -> Option<usize> {
        names.iter().find_map(|name| self.columns.iter().position(|column| column == name))
    }

    /// A column that must be there.
    fn needed(&mut self, names: &[String]) -> Option<usize> {
        let found = self.column(names);
        if found.is_none() {
            self.lacking.push(names.to_vec());
        }
        found
    }

    fn event(&mut self, map: &EventMap) -> Option<EventReader> {
        // All that is lacking is told at once, so nothing returns before the end.
        let time = self.needed(&map.time);
        let id: Option<Vec<Option<IdPart>>> =
            map.id.as_ref().map(|parts| parts.iter().map(|part| self.id_part(part)).collect());
        let when: Vec<Option<(usize, Condition)>> = map
            .when
            .iter()
            .map(|of| self.needed(slice::from_ref(&of.column)).map(|index| (index, of.clone())))
            .collect();
        let data = map.data.iter().filter_map(|field| self.field(field)).collect();
        let id = id.map(|parts| parts.into_iter().collect::<Option<Vec<_>>>());
        let id = match id {
            Some(parts) => Some(parts?),
            None => None,
        };
        let when = when.into_iter().collect::<Option<_>>()?;
        Some(EventReader { event_type: map.event_type, time: time?, id, when, data })
    }

    fn id_part(&mut self, part: &Part) -> Option<IdPart> {
        match part {
            Part::Text(text) => Some(IdPart::Text(text.clone())),
            Part::Column(name) => self.needed(slice::from_ref(name)).map(IdPart::Column),
        }
    }

    fn field(&mut self, map: &FieldMap) -> Option<FieldReader> {
        let FieldMap { name, shape, is_required, source } = map;
        let place = self.place(source, *shape, *is_required)?;
        Some(FieldReader { name: name.clone(), shape: *shape, is_required: *is_required, place })
    }

    /// `None` where the table lacks the column, which is a fault if the value is required.
    fn place(&mut self, source: &Source, shape: Shape, is_required: bool) -> Option<Place> {
        match source {
            Source::Value(value) => match known(value, shape, self.clockface) {
                Ok(value) => Some(Place::Value(value)),
                Err((_, detail)) => {
                    self.faults.push(detail);
                    None
                }
            },
            Source::Column(ColumnSource { columns, words, other, default }) => match self.column(columns) {
                None => match default {
                    Some(default) => self.place(&Source::Value(default.clone()), shape, is_required),
                    None => {
                        if is_required {
                            self.needed(columns);
                        }
                        None
                    }
                },
                Some(index) => {
                    let (words, other, default) = (words.clone(), other.clone(), default.clone());
                    Some(Place::Column { index, words, other, default })
                }
            },
        }
    }
}
