//! Fixed words in bodies: written as strings, described as enums of their own.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::access::Scope;
use crate::answers::record_changes::RecordMove;
use crate::answers::records::Side;
use crate::connect::message::Fate;
use crate::domain::alert::AlertOp;
use crate::domain::audit::{Action, ActorKind};
use crate::domain::curve::Better;
use crate::domain::exclusion::ExclusionTarget;
use crate::domain::fault::Code;
use crate::domain::fold::EventState;
use crate::domain::metric::Unit;
use crate::domain::peers::Basis;
use crate::domain::run::{RunState, Trigger};
use crate::domain::score::Status;
use crate::domain::subject::SubjectKind;
use crate::domain::webhook::{DeliveryState, HookEvent};
use crate::domain::words::{Word, words};
use crate::storage::preview::PreviewState;

/// One of an enum's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term<T>(pub T);

impl<T: Word> Serialize for Term<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<T: Word> PartialSchema for Term<T> {
    fn schema() -> RefOr<Schema> {
        let words = T::MEMBERS.iter().map(|member| member.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
    }
}

impl<T: Word> ToSchema for Term<T> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(T::NAME)
    }
}

// Without type parameters, so that descriptions name the enum alone.
pub(crate) type StatusTerm = Term<Status>;
pub(crate) type UnitTerm = Term<Unit>;
pub(crate) type BetterTerm = Term<Better>;
pub(crate) type BasisTerm = Term<Basis>;
pub(crate) type SideTerm = Term<Side>;
pub(crate) type KindTerm = Term<SubjectKind>;
pub(crate) type TriggerTerm = Term<Trigger>;
pub(crate) type RunStateTerm = Term<RunState>;
pub(crate) type PreviewStateTerm = Term<PreviewState>;
pub(crate) type TargetTerm = Term<ExclusionTarget>;
pub(crate) type ScopeTerm = Term<Scope>;
pub(crate) type AssessmentTerm = Term<AssessmentWay>;
pub(crate) type RecordKindTerm = Term<RecordKind>;
pub(crate) type RecordMoveTerm = Term<RecordMove>;
pub(crate) type StoredTerm = Term<StoredOutcome>;
pub(crate) type RefusedTerm = Term<ListedOutcome>;
pub(crate) type ExclusionOutcomeTerm = Term<ExclusionOutcome>;
pub(crate) type ErasureStateTerm = Term<ErasureState>;
pub(crate) type AliveTerm = Term<Alive>;
pub(crate) type ReadyTerm = Term<Ready>;
pub(crate) type CodeTerm = Term<Code>;
pub(crate) type ActionTerm = Term<Action>;
pub(crate) type ActorKindTerm = Term<ActorKind>;
pub(crate) type HookEventTerm = Term<HookEvent>;
pub(crate) type FateTerm = Term<Fate>;
pub(crate) type DeliveryStateTerm = Term<DeliveryState>;
pub(crate) type AlertOpTerm = Term<AlertOp>;
pub(crate) type EventStateTerm = Term<EventState>;

words! {
    /// How a value becomes points.
    pub(crate) enum AssessmentWay {
        Peers = "peers",
        Curve = "curve",
        Steps = "steps",
    }
}

words! {
    /// What a record is.
    pub(crate) enum RecordKind {
        Order = "order",
        Aftersale = "aftersale",
        Session = "session",
    }
}

words! {
    /// The outcome of an event that is stored.
    pub(crate) enum StoredOutcome {
        Accepted = "accepted",
        Duplicate = "duplicate",
    }
}

words! {
    /// The outcome of an event of a batch that was not accepted.
    pub(crate) enum ListedOutcome {
        Duplicate = "duplicate",
        Conflict = "conflict",
        Rejected = "rejected",
    }
}

words! {
    /// What became of one exclusion of a batch.
    pub(crate) enum ExclusionOutcome {
        Created = "created",
        AlreadyExcluded = "already_excluded",
    }
}

words! {
    /// How far an erasure is.
    pub(crate) enum ErasureState {
        UnderWay = "under_way",
        Done = "done",
    }
}

words! {
    /// The process runs.
    pub(crate) enum Alive {
        Ok = "ok",
    }
}

words! {
    /// The process can serve.
    pub(crate) enum Ready {
        Ready = "ready",
    }
}
