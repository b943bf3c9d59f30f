//! Caches one value that expires and is fetched by one caller at a time.

use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use crate::chat::Failure;

/// A value is refreshed this long before it expires.
const REFRESH_BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);

/// After a failed refresh, a value that is still valid is used for this long before the next refresh.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// A value and when it expires; `None` means never.
pub(super) type ExpiringValue<T> = (T, Option<SystemTime>);

#[derive(Debug)]
pub(super) struct ExpiringCache<T>(Mutex<CacheSlot<T>>);

#[derive(Debug)]
struct CacheSlot<T> {
    value: Option<ExpiringValue<T>>,
    /// No refresh before this time while the value is still valid.
    retry_at: Option<SystemTime>,
}

impl<T> Default for ExpiringCache<T> {
    fn default() -> Self {
        Self(Mutex::new(CacheSlot { value: None, retry_at: None }))
    }
}

impl<T: Clone> ExpiringCache<T> {
    /// The cached value, or a freshly fetched one. While one caller fetches it, the others wait.
    pub(super) async fn get_or_fetch(
        &self,
        now: SystemTime,
        fetch: impl Future<Output = Result<ExpiringValue<T>, Failure>>,
    ) -> Result<T, Failure> {
        let mut slot = self.0.lock().await;
        let is_valid =
            |expiry: &Option<SystemTime>, margin| expiry.is_none_or(|expiry| expiry > now + margin);
        let is_delayed = slot.retry_at.is_some_and(|until| now < until);
        if let Some((value, expiry)) = slot.value.as_ref()
            && is_valid(expiry, if is_delayed { Duration::ZERO } else { REFRESH_BEFORE_EXPIRY })
        {
            return Ok(value.clone());
        }
        match fetch.await {
            Ok(fresh) => {
                slot.retry_at = None;
                Ok(slot.value.insert(fresh).0.clone())
            }
            Err(failure) => match slot.value.clone() {
                // A valid value is better than none, and a host that is down should not be called again at
                // once.
                Some((value, expiry)) if is_valid(&expiry, Duration::ZERO) => {
                    slot.retry_at = Some(now + RETRY_DELAY);
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
    use crate::provider::signer::auth_failure::auth_failure;

    #[tokio::test]
    async fn value_refreshes_five_minutes_before_expiry() {
        let cache = ExpiringCache::default();
        let start = SystemTime::UNIX_EPOCH;
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let never = async { panic!("already cached") };
        assert_eq!(cache.get_or_fetch(start, async { Ok((1, Some(at(60)))) }).await, Ok(1));
        assert_eq!(cache.get_or_fetch(at(54), never).await, Ok(1));
        assert_eq!(cache.get_or_fetch(at(56), async { Err(auth_failure("down")) }).await, Ok(1));
        let too_early = async { panic!("retried too early") };
        assert_eq!(cache.get_or_fetch(at(56) + RETRY_DELAY / 2, too_early).await, Ok(1));
        assert!(cache.get_or_fetch(at(60), async { Err(auth_failure("down")) }).await.is_err());
        assert_eq!(cache.get_or_fetch(at(57), async { Ok((2, None)) }).await, Ok(2));
        assert_eq!(cache.get_or_fetch(at(9999), async { panic!("never expires") }).await, Ok(2));
    }
}
