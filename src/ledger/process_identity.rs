//! Identifies processes, so that the leases of one that died can be released at once.
//!
//! An identity names the machine, the process ID, and the start time, because IDs are used again. Where one of
//! these cannot be determined, a process counts as alive until its leases expire.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::ledger_state::lock;

/// A process that was alive is checked again after this time.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The identity of this process; empty if it cannot be determined.
pub(super) fn own_identity() -> &'static str {
    static OWN: OnceLock<String> = OnceLock::new();
    OWN.get_or_init(|| {
        let pid = std::process::id();
        let own = || Some(format!("{}/{pid}/{}", platform::machine()?, platform::start_time(pid)?));
        own().unwrap_or_default()
    })
}

/// Whether a process is certain to have ended.
pub(super) fn has_ended(identity: &str) -> bool {
    static ALIVE: OnceLock<Mutex<HashMap<String, Instant>>> = OnceLock::new();
    let mut alive = lock(ALIVE.get_or_init(Mutex::default));
    if alive.get(identity).is_some_and(|checked| checked.elapsed() < CHECK_INTERVAL) {
        return false;
    }
    if is_gone(identity).unwrap_or(false) {
        alive.remove(identity);
        return true;
    }
    alive.insert(identity.to_owned(), Instant::now());
    false
}

/// `None` for a process of another machine, and for an invalid identity.
fn is_gone(identity: &str) -> Option<bool> {
    let (rest, start) = identity.rsplit_once('/')?;
    let (machine, pid) = rest.rsplit_once('/')?;
    if platform::machine()? != machine {
        return None;
    }
    Some(platform::start_time(pid.parse().ok()?).as_deref() != Some(start))
}

#[cfg(target_os = "linux")]
mod platform {
    use std::fs;

    /// The boot and the namespace of process IDs: containers on one machine have their own IDs.
    pub(super) fn machine() -> Option<String> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
        Some(format!("{}/{}", boot.trim(), namespace.display()))
    }

    /// Start time of a process in clock ticks since boot; `None` if there is no such process, or only its
    /// exit status is left (proc(5)).
    pub(super) fn start_time(pid: u32) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the name in parentheses, which may contain anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X");
        // The name is field 2, and the start time is field 22.
        fields.nth(18).filter(|_| !has_ended).map(str::to_owned)
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    /// Unknown.
    pub(super) fn machine() -> Option<String> {
        None
    }

    /// Unknown.
    pub(super) fn start_time(_pid: u32) -> Option<String> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn ended_and_restarted_processes_are_recognized() {
        let own = own_identity();
        assert!(!own.is_empty() && !has_ended(own));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let (machine, pid) = (platform::machine().unwrap(), child.id());
        child.wait().unwrap();
        assert!(has_ended(&format!("{machine}/{pid}/1")));
        // The same ID with another start time is another process.
        let (_, start) = own.rsplit_once('/').unwrap();
        assert!(has_ended(&own.replace(start, "1")));
        for unknown in ["", "x", "x/1/1", &format!("{machine}/x/1"), &format!("elsewhere/ns/{pid}/1")] {
            assert!(!has_ended(unknown), "{unknown}");
        }
    }

    #[test]
    fn zombie_has_ended() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (machine, pid) = (platform::machine().unwrap(), child.id());
        let start = platform::start_time(pid).unwrap();
        let identity = format!("{machine}/{pid}/{start}");
        assert_eq!(is_gone(&identity), Some(false));
        child.kill().unwrap();
        // Its exit status is not collected yet, so its entry stays until `wait`.
        // The kernel needs a moment to end it.
        let ended = (0..10_000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            is_gone(&identity) == Some(true)
        });
        assert!(ended);
        child.wait().unwrap();
    }
}
