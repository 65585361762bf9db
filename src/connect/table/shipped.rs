//! The maps that come with the program: `maps/*.toml`.

use super::map::TableMap;
use super::map_file;
use crate::domain::words::words;

words! {
    /// A map that comes with the program.
    pub(crate) enum ShippedMap {
        Orders = "orders",
        Reviews = "reviews",
        Aftersales = "aftersales",
    }
}

impl ShippedMap {
    /// Its file.
    pub(crate) fn source(self) -> &'static str {
        match self {
            ShippedMap::Orders => include_str!("../../../maps/orders.toml"),
            ShippedMap::Reviews => include_str!("../../../maps/reviews.toml"),
            ShippedMap::Aftersales => include_str!("../../../maps/aftersales.toml"),
        }
    }

    /// The map itself; a test reads all of them.
    pub(crate) fn map(self) -> Result<TableMap, Vec<map_file::MapFault>> {
        map_file::parse(self.source())
    }
}
