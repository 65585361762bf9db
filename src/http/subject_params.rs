//! Whose data a path asks for, and whether the caller may see it.

use utoipa::openapi::path::Parameter as Described;

use super::param_types::IdSegment;
use super::params::{Parameter, Params, id_schema, in_path, parameters, string};
use super::problem::Problem;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};

/// A kind of subject in the path; any other word is a path that does not exist.
pub(crate) struct KindSegment(pub SubjectKind);

impl Parameter for KindSegment {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let kind = match params.segment(name).as_str() {
            "shops" => SubjectKind::Shop,
            "creators" => SubjectKind::Creator,
            _ => return params.refuse(Problem::of_status(axum::http::StatusCode::NOT_FOUND)),
        };
        params.kind = Some(kind);
        Some(KindSegment(kind))
    }

    fn describe(name: &str, _: &str) -> Vec<Described> {
        in_path(name, "`shops` or `creators`.", string().enum_values(Some(["shops", "creators"])))
    }
}

parameters! {
    /// The subject that a path `/v1/{kind}/{id}` names.
    pub(crate) struct SubjectPath {
        pub kind: KindSegment,
        /// The shop_id or creator_id.
        pub id: IdSegment,
    }
}

impl SubjectPath {
    pub(crate) fn subject(self) -> Subject {
        Subject { kind: self.kind.0, id: self.id.0 }
    }
}

/// The shop of a path `/v1/shops/{id}`, if it exists for the caller.
pub(crate) struct SeenShop(pub Id);

impl Parameter for SeenShop {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let id = <IdSegment as Parameter>::read(params, name)?.0;
        let subject = Subject { kind: SubjectKind::Shop, id };
        match params.caller.as_ref().map(|caller| caller.see(&subject)) {
            Some(Ok(())) => Some(SeenShop(subject.id)),
            Some(Err(problem)) => params.refuse(problem),
            None => params.refuse(Problem::unknown_subject(&subject)),
        }
    }

    fn describe(name: &str, _: &str) -> Vec<Described> {
        in_path(name, "The shop.", id_schema())
    }
}

/// The subject that a path names, if it exists for the caller.
pub(crate) struct SeenSubject(pub Subject);

impl Parameter for SeenSubject {
    fn read(params: &mut Params<'_>, _: &str) -> Option<Self> {
        let subject = <SubjectPath as Parameter>::read(params, "")?.subject();
        match params.caller.as_ref().map(|caller| caller.see(&subject)) {
            Some(Ok(())) => Some(SeenSubject(subject)),
            Some(Err(problem)) => params.refuse(problem),
            None => params.refuse(Problem::unknown_subject(&subject)),
        }
    }

    fn describe(_: &str, _: &str) -> Vec<Described> {
        <SubjectPath as Parameter>::describe("", "")
    }
}
