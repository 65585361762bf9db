//! What is sent to exclude something, and to revoke that.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::exclusion::{Exclusion, ExclusionTarget};
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::words::Word;
use crate::http::json_body::RequestBody;
use crate::http::problem::Problem;
use crate::http::terms::TargetTerm;
use crate::storage::exclusion::NewExclusion;
use crate::storage::revocation::Revocation;

/// Characters of a reason, a name or a note.
const TEXT_LENGTH_MAX: usize = 2_000;

/// What to exclude from scores.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExclusionBody {
    pub shop_id: String,
    #[schema(value_type = TargetTerm)]
    pub target: String,
    /// The id of the target.
    pub id: String,
    /// The order of a review, an after-sale case or a complaint.
    pub order_id: Option<String>,
    pub reason: String,
    pub decided_by: String,
    pub note: Option<String>,
}

impl RequestBody for ExclusionBody {}

/// Who revokes it, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevocationBody {
    pub revoked_by: String,
    pub note: Option<String>,
}

impl RequestBody for RevocationBody {}

/// Checks a text; what is wrong goes to `faults`.
pub(super) fn check_text(faults: &mut Vec<Fault>, pointer: String, text: &str, required: bool) {
    if text.chars().count() > TEXT_LENGTH_MAX || text.contains('\0') || (required && text.trim().is_empty()) {
        let name = pointer.rsplit('/').next().unwrap_or_default();
        let detail = format!("{name} must be text of 1-{TEXT_LENGTH_MAX} characters without U+0000");
        faults.push(Fault::new(pointer, Code::InvalidValue, detail));
    }
}

pub(super) fn check_id(faults: &mut Vec<Fault>, pointer: String, text: &str) -> Option<Id> {
    Id::parse(text).map_err(|invalid| faults.push(Fault::new(pointer, Code::InvalidId, invalid.to_string()))).ok()
}

impl ExclusionBody {
    /// Checks one exclusion; what is wrong goes to `faults` with pointers below `base`.
    pub(super) fn check(self, base: &str, faults: &mut Vec<Fault>) -> Option<NewExclusion> {
        let at = |member: &str| format!("{base}/{member}");
        let before = faults.len();
        let shop_id = check_id(faults, at("shop_id"), &self.shop_id);
        let id = check_id(faults, at("id"), &self.id);
        let order_id = self.order_id.as_deref().and_then(|id| check_id(faults, at("order_id"), id));
        let target = ExclusionTarget::parse(&self.target);
        if target.is_none() {
            let detail = format!("target must be one of {}", ExclusionTarget::list());
            faults.push(Fault::new(at("target"), Code::InvalidValue, detail));
        }
        match target {
            Some(target) if target.is_part_of_order() && self.order_id.is_none() => {
                let detail = format!("order_id is required: the order of the {}", target.as_str());
                faults.push(Fault::new(at("order_id"), Code::MissingField, detail));
            }
            Some(target) if !target.is_part_of_order() && self.order_id.is_some() => {
                let same = target == ExclusionTarget::Order && self.order_id.as_deref() == Some(self.id.as_str());
                if !same {
                    let detail = format!("order_id is not allowed with the target {}", target.as_str());
                    faults.push(Fault::new(at("order_id"), Code::Contradiction, detail));
                }
            }
            _ => {}
        }
        check_text(faults, at("reason"), &self.reason, true);
        check_text(faults, at("decided_by"), &self.decided_by, true);
        check_text(faults, at("note"), self.note.as_deref().unwrap_or_default(), false);
        let (shop_id, id, target) = (shop_id?, id?, target?);
        let exclusion = Exclusion { target, id };
        let order_id = order_id.filter(|_| target.is_part_of_order());
        let aggregate = exclusion.aggregate(shop_id, order_id.clone());
        let (reason, decided_by, note) = (self.reason, self.decided_by, self.note);
        let new = NewExclusion { aggregate, exclusion, order_id, reason, decided_by, note };
        (faults.len() == before).then_some(new)
    }
}

impl RevocationBody {
    /// What the body says, which must name who revokes.
    pub(super) fn check(body: Option<RevocationBody>) -> Result<Revocation, Problem> {
        let missing = "revoked_by is required: who revokes it";
        let missing = || Problem::invalid_body(vec![Fault::new("/revoked_by", Code::MissingField, missing)]);
        let body = body.ok_or_else(missing)?;
        let mut faults = Vec::new();
        check_text(&mut faults, "/revoked_by".to_owned(), &body.revoked_by, true);
        check_text(&mut faults, "/note".to_owned(), body.note.as_deref().unwrap_or_default(), false);
        let RevocationBody { revoked_by, note } = body;
        if faults.is_empty() { Ok(Revocation { revoked_by, note }) } else { Err(Problem::invalid_body(faults)) }
    }
}
