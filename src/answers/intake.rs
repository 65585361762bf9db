//! What is known of what a shop's senders send.

use chrono::{DateTime, Utc};

use super::published::{ReadError, known};
use super::source::Source;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::intake::{self, Rejection, TypeIntake, UnknownMember, UnpaidOrders};
use crate::storage::snapshot;

/// What was received of a shop, and what is wrong with it.
pub(crate) struct Intake {
    pub as_of: DateTime<Utc>,
    pub category_id: Option<String>,
    pub types: Vec<TypeIntake>,
    pub unpaid: UnpaidOrders,
    pub members: Vec<UnknownMember>,
    /// Newest first.
    pub rejections: Vec<Rejection>,
}

impl Source {
    /// Fails where the shop is neither registered nor named by any event, unless one was rejected.
    pub(crate) async fn intake(&self, shop_id: &Id) -> Result<Intake, ReadError> {
        let mut connection = self.connection().await?;
        let mut reading = snapshot::begin(&mut connection).await?;
        let as_of = self.context.now();
        let rejections = intake::rejections(&mut reading, shop_id).await?;
        let subject = Subject { kind: SubjectKind::Shop, id: shop_id.clone() };
        let category_id = match known(&mut reading, &subject).await {
            Ok(row) => row.category_id,
            Err(ReadError::Missing(_)) if !rejections.is_empty() => None,
            Err(error) => return Err(error),
        };
        let (types, unpaid) = intake::received(&mut reading, shop_id, as_of).await?;
        let members = intake::unknown_members(&mut reading, shop_id).await?;
        reading.rollback().await?;
        Ok(Intake { as_of, category_id, types, unpaid, members, rejections })
    }
}
