//! What is sent to adjust a score.

use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::ToSchema;

use super::exclusion_bodies::{check_id, check_text};
use crate::domain::adjustment::Adjustment;
use crate::domain::calendar::parse_date;
use crate::domain::fault::{Code, Fault};
use crate::domain::rules::RuleBook;
use crate::domain::subject::{Subject, SubjectKind};
use crate::http::json_body::RequestBody;
use crate::http::problem::Problem;
use crate::storage::adjustment::NewAdjustment;

/// Points that the platform adds to a score or takes off, for some dates.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdjustmentBody {
    /// An id of the sender's own: the same request again is answered with the record.
    pub id: Option<String>,
    /// Name a shop or a creator.
    pub shop_id: Option<String>,
    pub creator_id: Option<String>,
    /// A code that a rule set has.
    pub code: String,
    /// The first score date for which it counts. It may be in the past: later runs of such dates count it.
    #[schema(value_type = NaiveDate)]
    pub from: String,
    /// The last one, included; without it, until it is revoked.
    #[schema(value_type = Option<NaiveDate>)]
    pub until: Option<String>,
    pub reason: String,
    pub decided_by: String,
    pub note: Option<String>,
}

impl RequestBody for AdjustmentBody {}

fn check_date(faults: &mut Vec<Fault>, name: &str, text: &str) -> Option<NaiveDate> {
    let date = parse_date(text);
    if date.is_none() {
        let detail = format!("{name} must be a date such as 2026-11-20");
        faults.push(Fault::new(format!("/{name}"), Code::InvalidValue, detail));
    }
    date
}

impl AdjustmentBody {
    /// With the fault of a code that no rule set has: it matters only where the request was not answered before.
    pub(super) fn check(self, rules: &RuleBook) -> Result<(NewAdjustment, Option<Fault>), Problem> {
        let mut faults = Vec::new();
        let subject = self.subject(&mut faults);
        let unknown_code = self.unknown_code(rules);
        let sender_id = self.id.as_deref().and_then(|id| check_id(&mut faults, "/id".to_owned(), id));
        let from = check_date(&mut faults, "from", &self.from);
        let until = self.until.as_deref().and_then(|until| check_date(&mut faults, "until", until));
        if from.zip(until).is_some_and(|(from, until)| from > until) {
            faults.push(Fault::new("/until", Code::InvalidValue, "until must be on or after from"));
        }
        check_text(&mut faults, "/reason".to_owned(), &self.reason, true);
        check_text(&mut faults, "/decided_by".to_owned(), &self.decided_by, true);
        check_text(&mut faults, "/note".to_owned(), self.note.as_deref().unwrap_or_default(), false);
        match (subject, from) {
            (Some(subject), Some(from)) if faults.is_empty() => {
                let adjustment = Adjustment { code: self.code, from, until };
                let (reason, decided_by, note) = (self.reason, self.decided_by, self.note);
                Ok((NewAdjustment { sender_id, subject, adjustment, reason, decided_by, note }, unknown_code))
            }
            _ => Err(Problem::invalid_body(faults.into_iter().chain(unknown_code).collect())),
        }
    }

    fn subject(&self, faults: &mut Vec<Fault>) -> Option<Subject> {
        let (kind, name, id) = match (&self.shop_id, &self.creator_id) {
            (Some(id), None) => (SubjectKind::Shop, "/shop_id", id),
            (None, Some(id)) => (SubjectKind::Creator, "/creator_id", id),
            (None, None) => {
                faults.push(Fault::new("", Code::MissingField, "shop_id or creator_id is required"));
                return None;
            }
            (Some(_), Some(_)) => {
                let detail = "name a shop or a creator, not both";
                faults.push(Fault::new("/creator_id", Code::Contradiction, detail));
                return None;
            }
        };
        Some(Subject { kind, id: check_id(faults, name.to_owned(), id)? })
    }

    fn unknown_code(&self, rules: &RuleBook) -> Option<Fault> {
        let mut known: Vec<&str> = rules.adjustment_codes().collect();
        if known.contains(&self.code.as_str()) {
            return None;
        }
        known.sort_unstable();
        known.dedup();
        let detail = match known[..] {
            [] => "no rule set has adjustments".to_owned(),
            _ => format!("code must be one that a rule set has: {}", known.join(", ")),
        };
        Some(Fault::new("/code", Code::InvalidValue, detail))
    }
}
