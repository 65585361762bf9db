//! What somebody wants a webhook to be told, and what is wrong with it.

use super::endpoint::Reach;
use super::subscription::Asker;
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::subject::SubjectKind;
use crate::domain::webhook::HookEvent;
use crate::domain::words::Word;
use crate::storage::webhook::Subscription;

const DESCRIPTION_LENGTH_MAX: usize = 500;
/// Ids of a kind that one webhook may name.
const IDS_MAX: usize = 10_000;

/// A webhook as somebody wants it, unchecked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub url: String,
    pub description: Option<String>,
    pub events: Vec<String>,
    pub kinds: Option<Vec<String>>,
    pub shop_ids: Option<Vec<String>>,
    pub creator_ids: Option<Vec<String>>,
}

impl Wish {
    /// What is to be stored, or all that is wrong.
    pub(crate) fn check(self, asker: &Asker, reach: &Reach) -> Result<Subscription, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut fault = |pointer: &str, detail: String| faults.push(Fault::new(pointer, Code::InvalidValue, detail));
        let url = reach.check(&self.url);
        if let Err(detail) = &url {
            fault("/url", detail.clone());
        }
        let is_long = |text: &String| text.chars().count() > DESCRIPTION_LENGTH_MAX || text.contains('\0');
        if self.description.as_ref().is_some_and(is_long) {
            let detail = format!("description has at most {DESCRIPTION_LENGTH_MAX} characters and no U+0000");
            fault("/description", detail);
        }
        let wanted = || HookEvent::ALL.into_iter().filter(|event| event.can_be_subscribed());
        let list = || wanted().map(HookEvent::as_str).collect::<Vec<_>>().join(", ");
        if self.events.is_empty() {
            fault("/events", format!("events must name at least one of {}", list()));
        }
        for (index, word) in self.events.iter().enumerate() {
            let pointer = format!("/events/{index}");
            match wanted().find(|event| event.as_str() == word) {
                None => {
                    fault(&pointer, format!("{word:?} is no event that can be subscribed; it is one of {}", list()))
                }
                Some(event) if event.is_of_runs() && asker.shops.is_some() => {
                    fault(&pointer, format!("{word} is told to operators alone; leave it out"));
                }
                Some(_) => {}
            }
        }
        let kinds = self.kinds.as_ref().map(|words| {
            let code = |(index, word): (usize, &String)| {
                let kind = SubjectKind::parse(word);
                if kind.is_none() {
                    fault(&format!("/kinds/{index}"), format!("{word:?} must be one of {}", SubjectKind::list()));
                }
                kind.map(SubjectKind::code)
            };
            words.iter().enumerate().filter_map(code).collect::<Vec<i16>>()
        });
        for (member, ids) in [("shop_ids", &self.shop_ids), ("creator_ids", &self.creator_ids)] {
            let Some(ids) = ids else { continue };
            if ids.is_empty() || ids.len() > IDS_MAX {
                fault(&format!("/{member}"), format!("{member} must name 1 to {IDS_MAX} ids, or be left out"));
            }
            for (index, id) in ids.iter().enumerate() {
                let pointer = format!("/{member}/{index}");
                match Id::parse(id) {
                    Err(invalid) => fault(&pointer, invalid.to_string()),
                    Ok(_) if asker.shops.is_none() => {}
                    Ok(_) if member == "creator_ids" => {
                        fault(&pointer, "this key is bound to shops, and is told of these alone".to_owned());
                    }
                    Ok(id) if asker.shops.as_ref().is_some_and(|shops| !shops.contains(&id)) => {
                        fault(&pointer, format!("this key is not for the shop {id}"));
                    }
                    Ok(_) => {}
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        // Who is bound is told of those shops alone, whatever the key is bound to later.
        let shop_ids = self.shop_ids.or_else(|| asker.shop_ids());
        let Wish { description, events, creator_ids, .. } = self;
        // As it was understood, which is not always as it was written.
        let url = url.map(String::from).unwrap_or_default();
        Ok(Subscription { url, description, events: once(events), kinds, shop_ids: shop_ids.map(once), creator_ids })
    }
}

fn once(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words.dedup();
    words
}
