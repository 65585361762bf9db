//! From what happened to a run to one delivery for each subscriber and subject: in steps, each of which commits with how far
//! it got, so that a process that ends in the middle leaves the rest to another one.

use std::collections::{BTreeSet, HashMap};

use sqlx::{Connection, PgConnection};

use super::alerts;
use super::message::{Told, by_subject, is_other_tier, late_value, run_value, told_runs};
use crate::answers::published::ReadError;
use crate::answers::source::Source;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::webhook::HookEvent;
use crate::storage::announcement::{self, AnnouncementRow};
use crate::storage::delivery::{self, NewDelivery};
use crate::storage::run;
use crate::storage::score::ShortCard;
use crate::storage::webhook::{self, WebhookRow};

/// Subjects of one step.
const STEP: i64 = 2_000;

/// Makes the deliveries of one step. `false` where nothing is to be told, or another process tells it.
pub(super) async fn step(source: &Source) -> Result<bool, ReadError> {
    let mut connection = source.context.store.run.acquire().await?;
    let mut transaction = connection.begin().await?;
    let Some(announced) = announcement::hold_oldest(&mut transaction).await? else { return Ok(false) };
    let webhooks = webhook::enabled_at(&mut transaction, announced.announced_at).await?;
    let is_begun = announced.after_kind > 0;
    if !is_begun {
        tell_of_run(&mut transaction, source, &announced, &webhooks).await?;
    }
    let told = if announced.has_cards {
        tell_of_subjects(&mut transaction, source, &announced, &webhooks).await?
    } else {
        None
    };
    announcement::progress(&mut transaction, announced.announcement_id, told.as_ref(), source.context.now()).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Tells the subscribers of runs.
async fn tell_of_run(
    connection: &mut PgConnection,
    source: &Source,
    announced: &AnnouncementRow,
    webhooks: &[WebhookRow],
) -> Result<(), ReadError> {
    let wanting: Vec<&WebhookRow> = webhooks.iter().filter(|webhook| webhook.wants(announced.event)).collect();
    if wanting.is_empty() {
        return Ok(());
    }
    let run = match announced.run_id {
        Some(run_id) => run::get(connection, run_id).await?,
        None => None,
    };
    let slot_end = source.context.slot.end(announced.date);
    let data = run.as_ref().map_or_else(|| late_value(announced.date, slot_end), run_value);
    let new = |webhook: &&WebhookRow| NewDelivery {
        webhook_id: webhook.webhook_id,
        event: announced.event,
        subject: None,
        announcement_id: None,
        data: Some(data.clone()),
    };
    let new: Vec<NewDelivery> = wanting.iter().map(new).collect();
    delivery::insert(connection, &new, source.context.now()).await?;
    Ok(())
}

/// Tells of the next subjects. Returns the last of them; `None` where all are told of.
async fn tell_of_subjects(
    connection: &mut PgConnection,
    source: &Source,
    announced: &AnnouncementRow,
    webhooks: &[WebhookRow],
) -> Result<Option<Subject>, ReadError> {
    for kind in SubjectKind::ALL.into_iter().filter(|kind| kind.code() >= announced.after_kind) {
        let audience = Audience::of(kind, webhooks);
        let alerts = alerts::Rules::published(connection, kind).await?;
        if audience.is_empty() && alerts.is_empty() {
            continue;
        }
        let (now, before) = told_runs(connection, source, announced, kind).await?;
        let Some(now) = now else { continue };
        let after = if kind.code() == announced.after_kind { announced.after_id.as_str() } else { "" };
        let cards = announcement::cards_after(connection, now.version(), after, STEP).await?;
        let Some(last) = cards.last().map(|card| Id::stored(&card.subject_id)) else { continue };
        let ids: Vec<&str> = cards.iter().map(|card| card.subject_id.as_str()).collect();
        let former = match &before {
            Some(before) => by_subject(announcement::cards_of(connection, before.version(), &ids).await?),
            None => HashMap::new(),
        };
        let mut new = Vec::new();
        for card in &cards {
            let former = before.as_ref().zip(former.get(&card.subject_id));
            audience.tell(announced, (&now, card), former, &mut new);
        }
        new.extend(alerts.crossed(connection, source, &now, &cards).await?);
        delivery::insert(connection, &new, source.context.now()).await?;
        return Ok(Some(Subject { kind, id: last }));
    }
    Ok(None)
}

/// Who is told of the cards of a kind.
struct Audience<'a> {
    kind: SubjectKind,
    /// Those who are told of all.
    of_all: Vec<&'a WebhookRow>,
    /// Those who are told of some, by id.
    of_some: HashMap<&'a str, Vec<&'a WebhookRow>>,
}

impl<'a> Audience<'a> {
    fn of(kind: SubjectKind, webhooks: &'a [WebhookRow]) -> Audience<'a> {
        let mut audience = Audience { kind, of_all: Vec::new(), of_some: HashMap::new() };
        let wants_cards =
            |webhook: &&WebhookRow| webhook.wants(HookEvent::ScorePublished) || webhook.wants(HookEvent::TierChanged);
        for webhook in webhooks.iter().filter(wants_cards).filter(|webhook| webhook.is_told_of_kind(kind)) {
            if !webhook.names_subjects() && webhook.owner_shop_ids.is_none() {
                audience.of_all.push(webhook);
                continue;
            }
            let named = match kind {
                SubjectKind::Shop => &webhook.shop_ids,
                SubjectKind::Creator => &webhook.creator_ids,
            };
            let named = named.iter().flatten().map(String::as_str);
            let ids: BTreeSet<&str> = named.filter(|id| webhook.may_know(kind, id)).collect();
            ids.into_iter().for_each(|id| audience.of_some.entry(id).or_default().push(webhook));
        }
        audience
    }

    fn is_empty(&self) -> bool {
        self.of_all.is_empty() && self.of_some.is_empty()
    }

    /// Adds what is told of one card.
    fn tell(
        &self,
        announced: &AnnouncementRow,
        (now, card): (&Told, &ShortCard),
        former: Option<(&Told, &ShortCard)>,
        new: &mut Vec<NewDelivery>,
    ) {
        let of_some = self.of_some.get(card.subject_id.as_str()).into_iter().flatten();
        let is_other = former.is_some_and(|former| is_other_tier((now, card), former));
        for webhook in self.of_all.iter().chain(of_some) {
            for event in [HookEvent::ScorePublished, HookEvent::TierChanged] {
                if webhook.wants(event) && (event == HookEvent::ScorePublished || is_other) {
                    new.push(NewDelivery {
                        webhook_id: webhook.webhook_id,
                        event,
                        subject: Some(Subject { kind: self.kind, id: Id::stored(&card.subject_id) }),
                        announcement_id: Some(announced.announcement_id),
                        data: None,
                    });
                }
            }
        }
    }
}
