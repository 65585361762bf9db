//! What senders should know of their mistakes: noted in memory when an event is answered, written a moment later. It is no ground
//! truth, so it costs no answer anything; what is too much for the moment is dropped.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{MissedTickBehavior, interval};

use crate::domain::event::EventType;
use crate::domain::fault::Fault;
use crate::domain::id::Id;
use crate::storage::intake::{self, MEMBERS_KEPT, REJECTIONS_KEPT, Rejection, UnknownMember};
use crate::storage::{Store, StoreError};

/// How often what was noted is written.
const WRITE_EVERY: Duration = Duration::from_millis(300);
/// The most shops whose mistakes wait to be written.
const SHOPS_MAX: usize = 1_000;
/// Characters of what senders wrote themselves.
const TEXT_LENGTH_MAX: usize = 200;

/// Cloning is cheap.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Noted>>);

/// In how many events a member was, and when last.
type Members = HashMap<(EventType, String), (i64, DateTime<Utc>)>;

#[derive(Default)]
struct Noted {
    /// By shop, as many as are kept.
    rejections: HashMap<Id, VecDeque<Rejection>>,
    members: HashMap<Id, Members>,
}

/// The beginning of a text that a sender wrote, without what PostgreSQL or a terminal would stumble over.
fn short(text: &str) -> String {
    let printed = |one: char| if one.is_control() { char::REPLACEMENT_CHARACTER } else { one };
    text.chars().take(TEXT_LENGTH_MAX).map(printed).collect()
}

impl Journal {
    /// Notes an event of a shop that was rejected.
    pub(crate) fn reject(
        &self,
        shop_id: &Id,
        (event_id, event_type): (Option<&str>, Option<&str>),
        fault: &Fault,
        (key_id, now): (Option<i32>, DateTime<Utc>),
    ) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.rejections.len() < SHOPS_MAX || noted.rejections.contains_key(shop_id) {
            let of_shop = noted.rejections.entry(shop_id.clone()).or_default();
            if of_shop.len() >= REJECTIONS_KEPT as usize {
                of_shop.pop_front();
            }
            of_shop.push_back(Rejection {
                shop_id: shop_id.to_string(),
                rejected_at: now,
                key_id,
                event_id: event_id.map(short),
                event_type: event_type.map(short),
                code: fault.code.to_string(),
                pointer: short(&fault.pointer),
                detail: short(&fault.detail),
            });
        }
    }

    /// Notes members of an event's data that its type does not know.
    pub(crate) fn unknown(&self, shop_id: &Id, event_type: EventType, members: &[String], now: DateTime<Utc>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.members.len() >= SHOPS_MAX && !noted.members.contains_key(shop_id) {
            return;
        }
        let of_shop = noted.members.entry(shop_id.clone()).or_default();
        for member in members {
            let key = (event_type, short(member));
            if of_shop.len() < MEMBERS_KEPT as usize || of_shop.contains_key(&key) {
                let (events, last_at) = of_shop.entry(key).or_insert((0, now));
                (*events, *last_at) = (*events + 1, now);
            }
        }
    }

    /// Writes what is noted, every now and then.
    pub(crate) async fn keep(self, store: Store) {
        let mut ticks = interval(WRITE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.write(&store).await {
                tracing::debug!(%error, "what was rejected could not be noted");
            }
        }
    }

    /// Writes what is noted. What cannot be written is gone.
    pub(crate) async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if noted.rejections.is_empty() && noted.members.is_empty() {
            return Ok(());
        }
        let of_shop = |(shop_id, members): (Id, Members)| {
            members.into_iter().map(move |((event_type, member), (events, last_at))| {
                let (shop_id, type_code) = (shop_id.to_string(), event_type.code());
                UnknownMember { shop_id, type_code, member, events, last_at }
            })
        };
        let members: Vec<UnknownMember> = noted.members.into_iter().flat_map(of_shop).collect();
        let rejections: Vec<Rejection> = noted.rejections.into_values().flatten().collect();
        let mut connection = store.ingest.acquire().await?;
        intake::note(&mut connection, &rejections, &members).await
    }
}
