//! The JSON bodies of all routes but events: bounded, parsed straight into their types, objects only where objects are
//! wanted.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::auth::Caller;
use super::bodies::{BodyLimit, Room, SMALL_BYTES};
use super::media::check_json;
use super::problem::{Kind, Problem};
use super::state::AppState;
use crate::domain::content::without_mark;
use crate::domain::fault::{Code, Fault, pointer_to};

/// The body of a route.
pub(crate) trait RequestBody: DeserializeOwned + Send + 'static {
    /// The most bytes, after decompression.
    const BYTES_MAX: usize = SMALL_BYTES;
}

/// The most bytes of a body with many entries.
pub(crate) const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A body, with the room that it takes.
pub(crate) struct JsonBody<T>(pub T, pub Room);

/// The same, where a body may be left out.
pub(crate) struct OptionalJsonBody<T>(pub Option<T>);

impl<T: RequestBody> FromRequest<AppState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<JsonBody<T>, Problem> {
        check_json(request.headers())?;
        let (body, room) = read::<T>(request, state).await?;
        match body {
            Some(body) => Ok(JsonBody(body, room)),
            None => Err(not_json("it is empty")),
        }
    }
}

impl<T: RequestBody> FromRequest<AppState> for OptionalJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<OptionalJsonBody<T>, Problem> {
        let checked = check_json(request.headers());
        let (body, _) = read::<T>(request, state).await?;
        if body.is_some() {
            checked?;
        }
        Ok(OptionalJsonBody(body))
    }
}

/// `None` of an empty body.
async fn read<T: RequestBody>(request: Request, state: &AppState) -> Result<(Option<T>, Room), Problem> {
    let key_id = request.extensions().get::<Caller>().and_then(Caller::key_id);
    // What a batch is parsed into takes about as much again.
    let limit = BodyLimit { bytes: T::BYTES_MAX, weight: 2, key_id };
    let (bytes, room) = state.bodies.read(request.into_body(), limit).await?;
    if without_mark(&bytes).trim_ascii().is_empty() {
        return Ok((None, room));
    }
    let parsed = if bytes.len() <= SMALL_BYTES {
        parse(&bytes)
    } else {
        let parsing = tokio::task::spawn_blocking(move || parse(&bytes)).await;
        parsing.unwrap_or_else(|_| Err(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)))
    };
    parsed.map(|body| (Some(body), room))
}

fn not_json(why: impl fmt::Display) -> Problem {
    Problem::new(Kind::UnreadableBody, format!("the body is not JSON: {why}"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(without_mark(bytes));
    match serde_path_to_error::deserialize(&mut reader) {
        Ok(Object(body)) => reader.end().map(|()| body).map_err(not_json),
        Err(error) if error.inner().classify() == Category::Data => {
            Err(Problem::invalid_body(vec![fault(pointer(error.path()), &plain(&error.inner().to_string()))]))
        }
        Err(error) => Err(not_json(error.inner())),
    }
}

fn fault(pointer: String, message: &str) -> Fault {
    match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        Some(name) => Fault::new(pointer_to(&pointer, name), Code::MissingField, format!("{name} is required")),
        None => Fault::new(pointer, Code::InvalidValue, message),
    }
}

fn pointer(path: &Path) -> String {
    let name = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    };
    path.iter().filter_map(name).map(|name| pointer_to("", &name)).collect()
}

/// What serde says, in the words of JSON and without the place, which the pointer names.
fn plain(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let in_json = [
        ("invalid type: map", "invalid type: an object"),
        ("invalid type: sequence", "invalid type: an array"),
        ("expected a sequence", "expected an array"),
        ("expected a map", "expected an object"),
    ];
    in_json.iter().fold(message.to_owned(), |message, (rust, json)| message.replace(rust, json))
}

/// A struct that only a JSON object can be. Serde takes an array for one too, its members in the order of the fields.
#[derive(Debug, Default)]
pub(crate) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct OnlyMaps<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMaps<T> {
            type Value = Object<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(OnlyMaps(PhantomData))
    }
}

/// An array of objects, of which no more than one beyond `MOST` are kept: enough to see that there are too many.
#[derive(Debug)]
pub(crate) struct Entries<T, const MOST: usize>(pub Vec<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Entries<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<T, MOST>, D::Error> {
        struct Bounded<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Bounded<T, MOST> {
            type Value = Entries<T, MOST>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entries<T, MOST>, A::Error> {
                let mut entries = Vec::new();
                while entries.len() <= MOST {
                    match items.next_element()? {
                        Some(Object(entry)) => entries.push(entry),
                        None => return Ok(Entries(entries)),
                    }
                }
                while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_seq(Bounded(PhantomData))
    }
}

/// Reads an object or null.
pub(crate) fn optional_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Object<T>>::deserialize(deserializer).map(|object| object.map(|Object(value)| value))
}

/// Reads an object of objects, each name once.
pub(crate) fn objects_by_name<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    struct Named<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Named<T> {
        type Value = BTreeMap<String, T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BTreeMap<String, T>, A::Error> {
            let mut named = BTreeMap::new();
            while let Some((name, Object(value))) = map.next_entry()? {
                if named.contains_key(&name) {
                    return Err(A::Error::custom(format!("duplicate field `{name}`")));
                }
                named.insert(name, value);
            }
            Ok(named)
        }
    }
    deserializer.deserialize_map(Named(PhantomData))
}
