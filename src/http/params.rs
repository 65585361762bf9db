//! Query parameters and path segments: one struct reads them, with every fault reported by name, and describes them.
//!
//! [`parameters!`] defines such a struct. Handlers take it in an [`Input`], and `utoipa::path` names it in `params(…)`.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, RawPathParams, RawQuery};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use utoipa::openapi::path::{Parameter as Described, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Required};

use super::auth::Caller;
use super::cursor::Signer;
use super::problem::{FieldError, Kind, Problem};
use super::state::AppState;
use crate::domain::fault::Code;
use crate::domain::id::ID_LENGTH_MAX;
use crate::domain::subject::SubjectKind;

/// The parameters of one request. Each is taken by name; [`Params::finish`] then reports all that was wrong, and what
/// nobody took.
pub struct Params<'a> {
    pub(super) state: &'a AppState,
    /// `None` on open routes.
    pub(super) caller: Option<Caller>,
    /// The kind of subject that the request is about, once it was read.
    pub(super) kind: Option<SubjectKind>,
    path: RawPathParams,
    uri: &'a Uri,
    query: BTreeMap<String, String>,
    faults: Vec<FieldError>,
    /// A problem that goes before all faults: what the path names does not exist, or not for the caller.
    refusal: Option<Problem>,
}

/// What a handler takes: read, checked, and without anything that nobody asked for.
pub struct Input<P>(pub P);

/// A struct of parameters. See [`parameters!`].
pub trait Parameters: Sized {
    /// `None` where anything was wrong, which is noted.
    fn read(params: &mut Params<'_>) -> Option<Self>;

    fn describe() -> Vec<Described>;
}

/// The type of one parameter, or of several that belong together.
pub(crate) trait Parameter: Sized {
    /// Reads the parameter of a name; `None` where it is wrong, which is noted.
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self>;

    fn describe(name: &str, about: &str) -> Vec<Described>;
}

/// Parameters that belong together stand in a struct like one.
impl<P: Parameters> Parameter for P {
    fn read(params: &mut Params<'_>, _: &str) -> Option<P> {
        P::read(params)
    }

    fn describe(_: &str, _: &str) -> Vec<Described> {
        P::describe()
    }
}

/// Defines a struct of parameters. A field is named like its parameter; its comment is the parameter's description. A
/// check may follow the struct, for parameters that go together: it names the wrong one and says what it must be.
macro_rules! parameters {
    ($(#[doc = $doc:literal])* $visibility:vis struct $name:ident {
        $($(#[doc = $about:literal])* $of_field:vis $field:ident: $type:ty,)*
    } $(check $check:expr)?) => {
        $(#[doc = $doc])*
        $visibility struct $name { $($(#[doc = $about])* $of_field $field: $type,)* }

        impl $crate::http::params::Parameters for $name {
            fn read(params: &mut $crate::http::params::Params<'_>) -> Option<$name> {
                $(let $field = <$type as $crate::http::params::Parameter>::read(params, stringify!($field));)*
                let read = $name { $($field: $field?,)* };
                $(
                    let check: fn(&$name) -> Option<(&'static str, &'static str)> = $check;
                    if let Some((name, detail)) = check(&read) {
                        return params.contradicts(name, detail);
                    }
                )?
                Some(read)
            }

            fn describe() -> Vec<utoipa::openapi::path::Parameter> {
                let described: Vec<Vec<utoipa::openapi::path::Parameter>> = vec![$({
                    let about = concat!("", $($about,)*).trim_ascii();
                    <$type as $crate::http::params::Parameter>::describe(stringify!($field), about)
                },)*];
                described.into_iter().flatten().collect()
            }
        }

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                <$name as $crate::http::params::Parameters>::describe()
            }
        }
    };
}
pub(super) use parameters;

/// For routes without parameters.
pub struct Nothing;

impl Parameters for Nothing {
    fn read(_: &mut Params<'_>) -> Option<Nothing> {
        Some(Nothing)
    }

    fn describe() -> Vec<Described> {
        Vec::new()
    }
}

impl<P: Parameters + Send> FromRequestParts<AppState> for Input<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Input<P>, Problem> {
        let mut params = Params::of(parts, state).await?;
        let read = P::read(&mut params);
        params.finish(read).map(Input)
    }
}

impl<'a> Params<'a> {
    async fn of(parts: &'a mut Parts, state: &'a AppState) -> Result<Params<'a>, Problem> {
        let unreadable = |what: &str| Problem::new(Kind::InvalidParameter, format!("the {what} cannot be read"));
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await.map_err(|_| unreadable("query"))?;
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| unreadable("path"))?;
        let caller = parts.extensions.get::<Caller>().cloned();
        let (query_of, faults) = (BTreeMap::new(), Vec::new());
        let uri = &parts.uri;
        let mut params = Params { state, caller, kind: None, path, uri, query: query_of, faults, refusal: None };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if params.query.insert(name.to_string(), value.into_owned()).is_some() {
                params.fault(&name, Code::RepeatedParameter, format!("{name} is given more than once"));
            }
        }
        Ok(params)
    }

    /// Reports what is wrong, unknown parameters included.
    fn finish<P>(mut self, read: Option<P>) -> Result<P, Problem> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        for name in std::mem::take(&mut self.query).into_keys() {
            let shown: String = name.chars().take(64).collect();
            self.fault(&shown, Code::UnknownParameter, format!("no parameter is named {shown:?} here"));
        }
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            None if self.faults.is_empty() => Err(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)),
            _ => {
                let details: Vec<&str> = self.faults.iter().map(|fault| fault.detail.as_str()).collect();
                Err(Problem::new(Kind::InvalidParameter, details.join("; ")).with_errors(self.faults))
            }
        }
    }

    fn fault(&mut self, name: &str, code: Code, detail: String) {
        self.faults.push(FieldError::new(name, code, detail));
    }

    /// Refuses the request, whatever else is wrong with it.
    pub(super) fn refuse<T>(&mut self, problem: Problem) -> Option<T> {
        self.refusal.get_or_insert(problem);
        None
    }

    /// Notes that a parameter, which was read, contradicts something.
    pub(super) fn contradicts<T>(&mut self, name: &str, detail: &str) -> Option<T> {
        self.fault(name, Code::InvalidValue, detail.to_owned());
        None
    }

    /// The signer of the cursors of the list that is asked for.
    pub(super) fn signer(&self) -> Signer {
        Signer::of(&self.state.cursor_key, self.uri)
    }

    /// A segment of the path.
    pub(super) fn segment(&mut self, name: &str) -> String {
        self.path.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
    }

    /// Reads a segment of the path.
    pub(super) fn parsed_segment<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match read(&self.segment(name)) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.fault(name, Code::InvalidId, detail);
                None
            }
        }
    }

    /// The query's text of a parameter, where it is there.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.query.remove(name)
    }

    /// Reads a parameter of the query that may be absent.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        wanted: impl std::fmt::Display,
    ) -> Option<Option<T>> {
        let Some(text) = self.text(name) else { return Some(None) };
        match read(&text) {
            Some(value) => Some(Some(value)),
            None => self.contradicts(name, &format!("{name} must be {wanted}")),
        }
    }
}

/// Describes a parameter of the query.
pub(super) fn in_query(name: &str, about: &str, schema: ObjectBuilder) -> Vec<Described> {
    described(name, about, schema, (ParameterIn::Query, Required::False))
}

/// Describes a segment of the path.
pub(super) fn in_path(name: &str, about: &str, schema: ObjectBuilder) -> Vec<Described> {
    described(name, about, schema, (ParameterIn::Path, Required::True))
}

fn described(
    name: &str,
    about: &str,
    schema: ObjectBuilder,
    (place, required): (ParameterIn, Required),
) -> Vec<Described> {
    let about = Some(about).filter(|about| !about.is_empty());
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required).description(about);
    vec![parameter.schema(Some(schema)).build()]
}

/// An id as the law has it.
pub(super) fn id_schema() -> ObjectBuilder {
    // `.` and `..` are left to the detail of the refusal.
    string().min_length(Some(1)).max_length(Some(ID_LENGTH_MAX)).pattern(Some("^[!-+\\--~]+$"))
}

pub(super) fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
