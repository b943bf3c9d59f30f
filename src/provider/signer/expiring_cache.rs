//! One value that expires, got by one caller at a time.

use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use crate::chat::Failure;

/// This long before its end a value is got anew.
const REFRESH_BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);

/// After a failure, a value that still holds is handed out this long before it is asked for again.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// A value with the time at which it ends; `None` never does.
pub(super) type ExpiringValue<T> = (T, Option<SystemTime>);

/// Holds a value until shortly before it expires.
#[derive(Debug)]
pub(super) struct ExpiringCache<T>(Mutex<CacheSlot<T>>);

#[derive(Debug)]
struct CacheSlot<T> {
    value: Option<ExpiringValue<T>>,
    /// Until then nobody asks for another one, while this one holds.
    retry_at: Option<SystemTime>,
}

impl<T> Default for ExpiringCache<T> {
    fn default() -> Self {
        Self(Mutex::new(CacheSlot { value: None, retry_at: None }))
    }
}

impl<T: Clone> ExpiringCache<T> {
    /// The value, got anew where it has to be. While one caller gets it, the others wait for that.
    pub(super) async fn get_or_fetch(
        &self,
        now: SystemTime,
        fetch: impl Future<Output = Result<ExpiringValue<T>, Failure>>,
    ) -> Result<T, Failure> {
        let mut held = self.0.lock().await;
        let lasts = |end: &Option<SystemTime>, margin| end.is_none_or(|end| end > now + margin);
        let rests = held.retry_at.is_some_and(|until| now < until);
        if let Some((value, end)) = held.value.as_ref()
            && lasts(end, if rests { Duration::ZERO } else { REFRESH_BEFORE_EXPIRY })
        {
            return Ok(value.clone());
        }
        match fetch.await {
            Ok(fresh) => {
                held.retry_at = None;
                Ok(held.value.insert(fresh).0.clone())
            }
            Err(failure) => match held.value.clone() {
                // What still holds is better than nothing, and a host that is down better left alone.
                Some((value, end)) if lasts(&end, Duration::ZERO) => {
                    held.retry_at = Some(now + RETRY_DELAY);
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
    use crate::provider::signer::auth_failure;

    #[tokio::test]
    async fn value_refreshes_five_minutes_before_expiry() {
        let cache = ExpiringCache::default();
        let start = SystemTime::UNIX_EPOCH;
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let never = async { panic!("held already") };
        assert_eq!(cache.get_or_fetch(start, async { Ok((1, Some(at(60)))) }).await, Ok(1));
        assert_eq!(cache.get_or_fetch(at(54), never).await, Ok(1));
        assert_eq!(cache.get_or_fetch(at(56), async { Err(auth_failure("down")) }).await, Ok(1));
        let resting = async { panic!("asked a moment ago") };
        assert_eq!(cache.get_or_fetch(at(56) + RETRY_DELAY / 2, resting).await, Ok(1));
        assert!(cache.get_or_fetch(at(60), async { Err(auth_failure("down")) }).await.is_err());
        assert_eq!(cache.get_or_fetch(at(57), async { Ok((2, None)) }).await, Ok(2));
        assert_eq!(cache.get_or_fetch(at(9999), async { panic!("never expires") }).await, Ok(2));
    }
}
