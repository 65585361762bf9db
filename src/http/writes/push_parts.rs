//! What a message that a platform pushes needs of earlier ones: the orders in a parcel or a return, and how a product stood.

use super::push_outcome::Pushed;
use crate::connect::connector::Connector;
use crate::connect::message::{Message, Part};
use crate::domain::id::Id;
use crate::http::auth::Caller;
use crate::http::state::App;
use crate::ingest::Unavailable;
use crate::storage::push_part::{self, PartKey, Parts};
use crate::storage::{StoreError, count};

/// The most events that the messages of a request make of parcels and returns.
const PART_EVENTS_MAX: usize = 10_000;

/// Gives messages the orders of the parcels and returns that they name, of which these or earlier messages told.
pub(super) async fn resolve(state: &App, connector: &Connector, messages: &mut [Message]) -> Result<(), Unavailable> {
    let wanted: Vec<PartKey> = messages.iter().flat_map(Message::wanted_parts).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut connection = state.context.store.ingest.acquire().await.map_err(|_| Unavailable)?;
    let mut known = push_part::find(&mut connection, &connector.id, &wanted).await.map_err(unavailable(connector))?;
    known.extend(messages.iter().flat_map(|message| message.parts.iter().map(keyed)));
    let mut room = PART_EVENTS_MAX;
    messages.iter_mut().for_each(|message| message.resolve(|part| known.get(part).cloned(), &mut room));
    Ok(())
}

fn keyed(part: &Part) -> (PartKey, Vec<String>) {
    ((part.shop_id.clone(), part.name.clone()), part.order_ids.clone())
}

pub(super) fn writes(caller: &Caller, shop_id: &str) -> bool {
    Id::parse(shop_id).is_ok_and(|shop_id| caller.may_write(&shop_id))
}

/// Keeps which orders are in the parcels and returns that messages tell of.
pub(super) async fn keep_parts(state: &App, connector: &Connector, pushed: &[Pushed]) -> Result<(), Unavailable> {
    let parts: Parts = pushed.iter().flat_map(|one| one.message.parts.iter().map(keyed)).collect();
    if parts.is_empty() {
        return Ok(());
    }
    let mut connection = state.context.store.ingest.acquire().await.map_err(|_| Unavailable)?;
    let kept = push_part::keep(&mut connection, &connector.id, &parts, state.context.now()).await;
    kept.map_err(unavailable(connector))
}

/// Leaves out how products stand where that is known: a platform tells it with every change of a product, and an aggregate holds a
/// thousand events. A product is on the shelf until something says otherwise.
pub(super) async fn leave_known_states(
    state: &App,
    connector: &Connector,
    pushed: &mut [Pushed],
) -> Result<(), Unavailable> {
    let told: Vec<(&str, &str)> =
        pushed.iter().filter_map(Pushed::told_product).map(|(shop_id, product_id, _)| (shop_id, product_id)).collect();
    if told.is_empty() {
        return Ok(());
    }
    let mut connection = state.context.store.ingest.acquire().await.map_err(|_| Unavailable)?;
    let off = count::off_shelf(&mut connection, &told).await.map_err(unavailable(connector))?;
    for message in pushed {
        let is_known = message.told_product().is_some_and(|(shop_id, product_id, is_listed)| {
            is_listed != off.contains(&(shop_id.to_owned(), product_id.to_owned()))
        });
        if is_known {
            message.forget_events();
        }
    }
    Ok(())
}

pub(super) fn unavailable(connector: &Connector) -> impl FnOnce(StoreError) -> Unavailable + '_ {
    |error| {
        tracing::warn!(%error, connector = connector.id, "what a platform pushed was not kept whole");
        Unavailable
    }
}
