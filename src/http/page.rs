//! Pages of lists: items and an opaque cursor.

use serde::Serialize;
use utoipa::ToSchema;

use super::cursor::{CursorKey, Signer};
use crate::domain::subject::{Subject, SubjectKind};

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    /// Give this as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `limit` items out of rows that were read with one to spare. `key` is the place of a row in the
    /// list's order, from which its cursor is made.
    pub(crate) fn of<R, K: CursorKey>(mut rows: Vec<R>, limit: usize, signer: &Signer, key: impl Fn(&R) -> K) -> Page<T>
    where
        T: From<R>,
    {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(|last| signer.close(&key(last)));
        Page { items: rows.into_iter().map(T::from).collect(), next_cursor }
    }
}

/// The subject's id under the name of its kind.
pub(crate) fn subject_ids(subject: &Subject) -> (Option<String>, Option<String>) {
    let id = Some(subject.id.to_string());
    match subject.kind {
        SubjectKind::Shop => (id, None),
        SubjectKind::Creator => (None, id),
    }
}
