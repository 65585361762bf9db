//! Tables, such as exports of a back office: a map says which column is which field, and which rows make which events. [`map_file`]
//! reads maps, [`file`] reads the table, [`row`] makes events of its rows.

mod cell;
pub mod file;
mod laying;
pub mod map;
pub mod map_file;
pub mod row;
pub mod shipped;
