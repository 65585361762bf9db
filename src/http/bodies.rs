//! Request bodies on their way in: how much of them the process holds, and for how long it waits for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::{Kind, Problem};
use crate::ingest::Unavailable;

/// Bytes of a body that are taken from the room for small bodies; what exceeds them is taken from the room for large ones.
pub(crate) const SMALL_BYTES: usize = 64 * 1024;
/// Room for small bodies, and for the beginnings of large ones. Large bodies never use it up.
const SMALL_ROOM: usize = 32 * 1024 * 1024;
/// Room for what exceeds [`SMALL_BYTES`], all requests together.
const LARGE_ROOM: usize = 96 * 1024 * 1024;
/// What one key may hold of the room for large bodies.
const LARGE_ROOM_OF_A_KEY: usize = LARGE_ROOM / 2;
/// How long a sender may be silent in the middle of a body.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How long a body may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

/// What is asked of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimit {
    /// The most bytes, after decompression.
    pub bytes: usize,
    /// How many bytes of room a byte takes: what it is parsed into counts too.
    pub weight: usize,
    /// The key that sends it, where there is one.
    pub key_id: Option<i32>,
}

/// Room for bodies. A body that finds none is refused, and its sender told to come back.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    /// What keys hold of the room for large bodies; a key that holds none is absent.
    shares: Arc<Mutex<HashMap<i32, usize>>>,
    arrival_max: Duration,
}

impl Default for BodyBudget {
    fn default() -> BodyBudget {
        BodyBudget::new(LARGE_ROOM, ARRIVAL_MAX)
    }
}

/// The room that a body takes until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room {
    bytes: usize,
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
    share: Option<Share>,
}

/// What a body takes of its key's share.
#[derive(Debug)]
struct Share {
    key_id: i32,
    bytes: usize,
    shares: Arc<Mutex<HashMap<i32, usize>>>,
}

impl BodyBudget {
    fn new(large: usize, arrival_max: Duration) -> BodyBudget {
        BodyBudget {
            small: Arc::new(Semaphore::new(SMALL_ROOM)),
            large: Arc::new(Semaphore::new(large)),
            shares: Arc::default(),
            arrival_max,
        }
    }

    /// Reads a body to its end, bounded after decompression, and takes room as it arrives.
    pub(crate) async fn read(&self, body: Body, limit: BodyLimit) -> Result<(Bytes, Room), Problem> {
        in_time(self.arrival_max, self.arrive(body, limit)).await?
    }

    async fn arrive(&self, mut body: Body, limit: BodyLimit) -> Result<(Bytes, Room), Problem> {
        let (mut bytes, mut room) = (Vec::new(), Room::default());
        while let Some(frame) = in_time(SILENCE_MAX, body.frame()).await? {
            let frame = frame.map_err(|_| unreadable())?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > limit.bytes {
                return Err(too_large(limit.bytes));
            }
            self.grow(&mut room, data.len() * limit.weight, limit.key_id).ok_or(Unavailable)?;
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.into(), room))
    }

    /// Takes further room; `None` where there is none.
    fn grow(&self, room: &mut Room, bytes: usize, key_id: Option<i32>) -> Option<()> {
        let small = bytes.min(SMALL_BYTES.saturating_sub(room.bytes));
        let large = bytes - small;
        take(&self.small, &mut room.small, small)?;
        if large > 0
            && let Some(key_id) = key_id
        {
            let empty = || Share { key_id, bytes: 0, shares: Arc::clone(&self.shares) };
            room.share.get_or_insert_with(empty).grow(large)?;
        }
        take(&self.large, &mut room.large, large)?;
        room.bytes += bytes;
        Some(())
    }
}

fn take(semaphore: &Arc<Semaphore>, held: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Option<()> {
    let more = Arc::clone(semaphore).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()?;
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
    Some(())
}

impl Share {
    fn grow(&mut self, bytes: usize) -> Option<()> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let held = shares.entry(self.key_id).or_default();
        if *held + bytes > LARGE_ROOM_OF_A_KEY {
            return None;
        }
        *held += bytes;
        self.bytes += bytes;
        Some(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let left = shares.get(&self.key_id).map_or(0, |held| held.saturating_sub(self.bytes));
        if left == 0 {
            shares.remove(&self.key_id);
        } else {
            shares.insert(self.key_id, left);
        }
    }
}

fn too_large(most: usize) -> Problem {
    let shown = if most < 1024 * 1024 { format!("{} KiB", most / 1024) } else { format!("{} MiB", most / 1024 / 1024) };
    let detail = format!("this body has at most {shown} after decompression; send less in one request");
    Problem::new(Kind::TooLarge, detail)
}

async fn in_time<T>(most: Duration, work: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(most, work).await.map_err(|_| Problem::of_status(StatusCode::REQUEST_TIMEOUT))
}

fn unreadable() -> Problem {
    let detail = "the body was cut off or is not compressed as Content-Encoding says (a zstd window has at most 8 MiB); \
                  nothing was written";
    Problem::new(Kind::UnreadableBody, detail)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::{Body, Bytes};
    use futures_util::StreamExt;
    use futures_util::stream;

    use super::{BodyBudget, BodyLimit, LARGE_ROOM, LARGE_ROOM_OF_A_KEY, SMALL_BYTES};

    fn body(bytes: usize) -> Body {
        Body::from(vec![b' '; bytes])
    }

    fn limit(key_id: Option<i32>) -> BodyLimit {
        BodyLimit { bytes: LARGE_ROOM, weight: 1, key_id }
    }

    async fn status_of(budget: &BodyBudget, bytes: usize, key_id: Option<i32>) -> u16 {
        match budget.read(body(bytes), limit(key_id)).await {
            Ok(_) => 200,
            Err(problem) => problem.status().as_u16(),
        }
    }

    #[tokio::test]
    async fn large_bodies_never_refuse_small_ones_and_a_key_has_its_share() {
        let budget = BodyBudget::default();
        let held = budget.read(body(LARGE_ROOM_OF_A_KEY + SMALL_BYTES), limit(Some(1))).await.expect("room");
        assert_eq!(status_of(&budget, SMALL_BYTES + 1, Some(1)).await, 503, "the key has its share");
        assert_eq!(status_of(&budget, SMALL_BYTES, Some(1)).await, 200);
        let other = budget.read(body(LARGE_ROOM_OF_A_KEY + SMALL_BYTES), limit(Some(2))).await.expect("another's room");
        assert_eq!(status_of(&budget, SMALL_BYTES + 1, Some(3)).await, 503, "all room is taken");
        assert_eq!(status_of(&budget, SMALL_BYTES, Some(3)).await, 200);
        drop((held, other));
        assert_eq!(status_of(&budget, LARGE_ROOM, None).await, 200, "all room is given back");
        assert!(budget.shares.lock().expect("shares").is_empty());
    }

    #[tokio::test]
    async fn a_body_that_comes_drop_by_drop_is_given_up() {
        let budget = BodyBudget::new(LARGE_ROOM, Duration::from_millis(50));
        let drops = stream::repeat(()).then(|()| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b" "))
        });
        let read = budget.read(Body::from_stream(drops), limit(None)).await;
        assert_eq!(read.map(|_| ()).expect_err("a problem").status().as_u16(), 408);
        assert_eq!(budget.small.available_permits(), super::SMALL_ROOM);
    }
}
