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

/// The most bytes of a small body. As long as a body is small it takes room of its own, which large ones never use up.
pub(crate) const SMALL_BYTES: usize = 64 * 1024;
/// Room for small bodies, all requests together.
const SMALL_ROOM: usize = 32 * 1024 * 1024;
/// Room for large bodies, all requests together.
const LARGE_ROOM: usize = 160 * 1024 * 1024;
/// The part of each room that one key may hold: one in so many.
const KEYS_SHARE: usize = 2;
/// How long a sender may be silent in the middle of a body.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How long a body may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(300);

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
    small: Pool,
    large: Pool,
    arrival_max: Duration,
}

/// Room for bodies of one size, and what keys hold of it.
#[derive(Clone, Debug)]
struct Pool {
    bytes: usize,
    free: Arc<Semaphore>,
    /// A key that holds none is absent.
    held: Arc<Mutex<HashMap<i32, usize>>>,
}

/// The room that a body takes until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Bytes of the body.
    bytes: usize,
    taken: Option<Taken>,
}

/// What is taken of a pool, in a key's name where there is one.
#[derive(Debug)]
struct Taken {
    permit: OwnedSemaphorePermit,
    key_id: Option<i32>,
    pool: Pool,
}

impl Default for BodyBudget {
    fn default() -> BodyBudget {
        BodyBudget::new(LARGE_ROOM, ARRIVAL_MAX)
    }
}

impl BodyBudget {
    fn new(large: usize, arrival_max: Duration) -> BodyBudget {
        BodyBudget { small: Pool::of(SMALL_ROOM), large: Pool::of(large), arrival_max }
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
            self.grow(&mut room, data.len(), limit).ok_or(Unavailable)?;
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.into(), room))
    }

    /// Takes further room; `None` where there is none. A body that is no longer small moves to the room for large ones.
    fn grow(&self, room: &mut Room, bytes: usize, limit: BodyLimit) -> Option<()> {
        let was_small = room.bytes <= SMALL_BYTES;
        room.bytes += bytes;
        let (pool, wanted) = match (was_small, room.bytes <= SMALL_BYTES) {
            (true, true) => (&self.small, bytes),
            (true, false) => (&self.large, room.bytes),
            (false, _) => (&self.large, bytes),
        };
        let more = pool.take(wanted * limit.weight, limit.key_id)?;
        match &mut room.taken {
            Some(taken) if was_small == (room.bytes <= SMALL_BYTES) => taken.merge(more),
            taken => *taken = Some(more),
        }
        Some(())
    }
}

impl Pool {
    fn of(bytes: usize) -> Pool {
        Pool { bytes, free: Arc::new(Semaphore::new(bytes)), held: Arc::default() }
    }

    fn take(&self, bytes: usize, key_id: Option<i32>) -> Option<Taken> {
        let permit = Arc::clone(&self.free).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()?;
        if let Some(key_id) = key_id {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let of_key = held.get(&key_id).copied().unwrap_or_default() + bytes;
            if of_key > self.bytes / KEYS_SHARE {
                return None;
            }
            held.insert(key_id, of_key);
        }
        Some(Taken { permit, key_id, pool: self.clone() })
    }
}

impl Taken {
    /// Takes over what was taken of the same pool in the same name.
    fn merge(&mut self, mut more: Taken) {
        // Its key holds it on.
        more.key_id = None;
        let bytes = more.permit.num_permits();
        if let Some(permit) = more.permit.split(bytes) {
            self.permit.merge(permit);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(key_id) = self.key_id else { return };
        let mut held = self.pool.held.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.get(&key_id).map_or(0, |held| held.saturating_sub(self.permit.num_permits()));
        if left == 0 {
            held.remove(&key_id);
        } else {
            held.insert(key_id, left);
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

    use super::{BodyBudget, BodyLimit, KEYS_SHARE, LARGE_ROOM, SMALL_BYTES, SMALL_ROOM};

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
        let half = LARGE_ROOM / KEYS_SHARE;
        let held = budget.read(body(half), limit(Some(1))).await.expect("room");
        assert_eq!(status_of(&budget, SMALL_BYTES + 1, Some(1)).await, 503, "the key has its share");
        assert_eq!(status_of(&budget, SMALL_BYTES, Some(1)).await, 200);
        let other = budget.read(body(half), limit(Some(2))).await.expect("another's room");
        assert_eq!(status_of(&budget, SMALL_BYTES + 1, Some(3)).await, 503, "all room is taken");
        assert_eq!(budget.small.free.available_permits(), SMALL_ROOM, "none of it is that of small ones");
        assert_eq!(status_of(&budget, SMALL_BYTES, Some(3)).await, 200);
        drop((held, other));
        assert_eq!(status_of(&budget, LARGE_ROOM, None).await, 200, "all room is given back");

        let mut small = Vec::new();
        while let Ok(read) = budget.read(body(SMALL_BYTES), limit(Some(1))).await {
            small.push(read);
        }
        assert_eq!(small.len() * SMALL_BYTES, SMALL_ROOM / KEYS_SHARE, "a key has its share of small ones too");
        assert_eq!(status_of(&budget, SMALL_BYTES, Some(2)).await, 200);
        drop(small);
        assert_eq!(budget.small.free.available_permits(), SMALL_ROOM);
        for pool in [&budget.small, &budget.large] {
            assert!(pool.held.lock().expect("what is held").is_empty());
        }
    }

    #[tokio::test]
    async fn room_is_what_a_body_takes_however_it_comes_in() {
        let budget = BodyBudget::default();
        let pieces = || stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 10_000]))));
        let weighty = BodyLimit { weight: 2, ..limit(Some(1)) };
        let held = budget.read(Body::from_stream(pieces()), weighty).await.expect("room");
        assert_eq!(budget.large.free.available_permits(), LARGE_ROOM - 800_000);
        assert_eq!(budget.small.free.available_permits(), SMALL_ROOM);
        assert_eq!(budget.large.held.lock().expect("what is held").get(&1), Some(&800_000));
        drop(held);
        assert_eq!(budget.large.free.available_permits(), LARGE_ROOM);
        assert!(budget.large.held.lock().expect("what is held").is_empty());
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
        assert_eq!(budget.small.free.available_permits(), SMALL_ROOM);
    }
}
