//! What handlers share.

use std::sync::Arc;

use tokio::sync::Notify;

use super::answer::AnswerCache;
use super::bodies::BodyBudget;
use super::connections::Places;
use super::cursor::SigningKey;
use super::limits::Limits;
use super::remembered::{LastReady, RunFigures, SlowIntakes};
use super::telemetry::Telemetry;
use crate::access::LastUsed;
use crate::answers::source::Source;
use crate::connect::connector::Connector;
use crate::context::Context;
use crate::domain::id::Id;
use crate::ingest::categories::Categories;
use crate::ingest::journal::Journal;
use crate::ingest::queue::IngestQueue;
use crate::webhooks::Hub;

/// Cloning is cheap.
pub(crate) type AppState = Arc<App>;

impl App {
    /// Forgets what this process remembers of shops whose registration changed.
    pub(crate) fn forget_shops<'a>(&self, shops: impl Iterator<Item = &'a Id> + Clone) {
        self.categories.forget(shops.clone());
        self.slow_intakes.forget(shops);
    }
}

pub struct App {
    pub context: Context,
    pub queue: IngestQueue,
    /// Wakes the runner when a run was queued by hand.
    pub wake: Arc<Notify>,
    /// Wakes the task that computes previews.
    pub preview: Arc<Notify>,
    /// Wakes the task that erases shops.
    pub erase: Arc<Notify>,
    /// What webhooks are told.
    pub hub: Hub,
    /// Connections that are open.
    pub(crate) places: Places,
    /// How much one caller may ask for.
    pub(crate) limits: Limits,
    /// Room for request bodies on their way.
    pub bodies: BodyBudget,
    /// Whether callers must show keys.
    pub auth_required: bool,
    /// When they showed them.
    pub last_used: LastUsed,
    /// What answers about scores are made from.
    pub source: Source,
    pub answers: AnswerCache,
    pub telemetry: Telemetry,
    /// Which shops have a category.
    pub(crate) categories: Categories,
    /// What senders should know of their mistakes.
    pub journal: Journal,
    pub run_figures: RunFigures,
    pub readiness: LastReady,
    pub slow_intakes: SlowIntakes,
    pub cursor_key: SigningKey,
    /// Ways in for what platforms push.
    pub connectors: Vec<Connector>,
}
