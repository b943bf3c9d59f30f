//! One value that expires, got by one caller at a time.

use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use crate::chat::Failure;

/// This long before its end a value is got anew.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// After a failure, a value that still holds is handed out this long before it is asked for again.
const REST: Duration = Duration::from_secs(30);

/// A value with the time at which it ends; `None` never does.
pub(super) type Expiring<T> = (T, Option<SystemTime>);

/// Holds a value until shortly before it expires.
#[derive(Debug)]
pub(super) struct Cache<T>(Mutex<Held<T>>);

#[derive(Debug)]
struct Held<T> {
    value: Option<Expiring<T>>,
    /// Until then nobody asks for another one, while this one holds.
    rest: Option<SystemTime>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::new(Held { value: None, rest: None }))
    }
}

impl<T: Clone> Cache<T> {
    /// The value, got anew where it has to be. While one caller gets it, the others wait for that.
    pub(super) async fn get(
        &self,
        now: SystemTime,
        fetch: impl Future<Output = Result<Expiring<T>, Failure>>,
    ) -> Result<T, Failure> {
        let mut held = self.0.lock().await;
        let lasts = |end: &Option<SystemTime>, margin| end.is_none_or(|end| end > now + margin);
        let rests = held.rest.is_some_and(|until| now < until);
        if let Some((value, end)) = held.value.as_ref()
            && lasts(end, if rests { Duration::ZERO } else { MARGIN })
        {
            return Ok(value.clone());
        }
        match fetch.await {
            Ok(fresh) => {
                held.rest = None;
                Ok(held.value.insert(fresh).0.clone())
            }
            Err(failure) => match held.value.clone() {
                // What still holds is better than nothing, and a host that is down better left alone.
                Some((value, end)) if lasts(&end, Duration::ZERO) => {
                    held.rest = Some(now + REST);
                    Ok(value)
                }
                _ => Err(failure),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::signer::refused;

    #[tokio::test]
    async fn is_got_anew_five_minutes_before_its_end() {
        let cache = Cache::default();
        let start = SystemTime::UNIX_EPOCH;
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let never = async { panic!("held already") };
        assert_eq!(cache.get(start, async { Ok((1, Some(at(60)))) }).await, Ok(1));
        assert_eq!(cache.get(at(54), never).await, Ok(1));
        assert_eq!(cache.get(at(56), async { Err(refused("down")) }).await, Ok(1));
        let resting = async { panic!("asked a moment ago") };
        assert_eq!(cache.get(at(56) + REST / 2, resting).await, Ok(1));
        assert!(cache.get(at(60), async { Err(refused("down")) }).await.is_err());
        assert_eq!(cache.get(at(57), async { Ok((2, None)) }).await, Ok(2));
        assert_eq!(cache.get(at(9999), async { panic!("never expires") }).await, Ok(2));
    }
}
