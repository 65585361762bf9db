//! How values become points, on the wire: of a metric in general and in a category.

use serde::Serialize;
use utoipa::ToSchema;

use super::wire::Shortest;
use crate::domain::decimal::Decimal;
use crate::domain::rules::Assessment;
use crate::http::terms::{AssessmentTerm, AssessmentWay, Term};

/// How a value becomes points.
#[derive(Serialize, ToSchema)]
#[schema(as = Assessment)]
pub(crate) struct WireAssessment {
    pub assessment: AssessmentTerm,
    /// Standing → points, where points come from the standing among peers.
    #[schema(required, value_type = Option<Vec<[f64; 2]>>)]
    pub standing_curve: Option<Vec<[Shortest; 2]>>,
    /// Value → points: the metric's own curve, the reference for too few peers, or the bounds of its steps.
    #[schema(value_type = Vec<[f64; 2]>)]
    pub curve: Vec<[Shortest; 2]>,
    /// The points of a value that meets no step; null where there are no steps.
    #[schema(required, value_type = Option<f64>)]
    pub otherwise: Option<Shortest>,
}

pub(super) fn assessment(assessment: &Assessment) -> WireAssessment {
    let pairs = |pairs: &[(Decimal, Decimal)]| pairs.iter().map(|(x, y)| [Shortest(*x), Shortest(*y)]).collect();
    let (way, standing_curve, curve, otherwise) = match assessment {
        Assessment::Peers { standing, reference } => {
            (AssessmentWay::Peers, Some(pairs(standing.knots())), reference.knots(), None)
        }
        Assessment::Curve(curve) => (AssessmentWay::Curve, None, curve.knots(), None),
        Assessment::Steps(table) => (AssessmentWay::Steps, None, &table.steps[..], Some(Shortest(table.otherwise))),
    };
    WireAssessment { assessment: Term(way), standing_curve, curve: pairs(curve), otherwise }
}
