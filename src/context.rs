//! What everything that works on the data is handed: the database, the rules, the time, and the settings that the
//! results depend on.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use crate::clock::Clock;
use crate::config::{IntakeSettings, RetentionSettings};
use crate::domain::calendar::Calendar;
use crate::domain::rules::RuleBook;
use crate::domain::slot::DailySlot;
use crate::storage::rule_set::Archive;
use crate::storage::{Store, StoreError, counting};

/// Cloning is cheap.
#[derive(Clone)]
pub struct Context {
    pub store: Store,
    /// The rule sets in force.
    pub rules: Arc<RuleBook>,
    /// The rule sets that published runs used.
    pub archive: Archive,
    pub clock: Clock,
    /// When scores are due, on the business calendar.
    pub slot: DailySlot,
    /// How long data is kept.
    pub retention: RetentionSettings,
    /// Which events are taken in.
    pub intake: IntakeSettings,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Counts(#[from] counting::Mismatch),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Context {
    pub fn calendar(&self) -> Calendar {
        self.slot.calendar
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The business day of this moment.
    pub fn today(&self) -> NaiveDate {
        self.calendar().day(self.now())
    }

    /// Brings the schema up to date and checks that the counts are what this process would make of the same events.
    pub async fn prepare(&self) -> Result<(), StartError> {
        self.store.migrate().await?;
        self.check_counts().await
    }

    /// Checks that the schema is this program's, and that the counts are what it would make of the same events.
    pub async fn check(&self) -> Result<(), StartError> {
        self.store.check_schema().await?;
        self.check_counts().await
    }

    async fn check_counts(&self) -> Result<(), StartError> {
        let mut connection = self.store.run.acquire().await.map_err(StoreError::from)?;
        counting::compare(&mut connection, self.calendar().zone()).await?.map_or(Ok(()), |found| Err(found.into()))
    }
}
