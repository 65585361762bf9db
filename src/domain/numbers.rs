//! Exact numbers in JSON.

use serde::{Serialize, Serializer};

use super::decimal::Decimal;

/// A JSON number with exactly this many decimals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<const PLACES: u32>(pub Decimal);

impl<const PLACES: u32> Serialize for Number<PLACES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_number(&self.0.fixed(PLACES), serializer)
    }
}

/// A JSON number with this many decimals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places(pub Decimal, pub u32);

impl Serialize for Places {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_number(&self.0.fixed(self.1), serializer)
    }
}

/// A JSON number written as short as it can be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shortest(pub Decimal);

impl Serialize for Shortest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_number(&self.0.to_string(), serializer)
    }
}

fn serialize_number<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let number: serde_json::Number = text.parse().map_err(serde::ser::Error::custom)?;
    number.serialize(serializer)
}
