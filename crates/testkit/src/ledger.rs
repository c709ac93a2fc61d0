//! Compares the responses that a client got with the stored state, while a test injects faults.
//!
//! The client adds a line before each request and completes it with the response. After recovery, the test reads the
//! stored state and lets the [`Ledger`] compare it: an acknowledged item must exist once, and nowhere else; a refused
//! item must not exist. A request without a response may have taken effect or not, but never twice.
//!
//! ```
//! use tenantry_testkit::ledger::Ledger;
//!
//! let ledger = Ledger::default();
//! let canary = ledger.canary();
//! let request = ledger.before("role", "acme", &canary);
//! ledger.after(request, 201, "the id of the request");
//! let found = [("acme".to_owned(), canary)];
//! assert!(ledger.compare("role", found).is_clean());
//! assert!(!ledger.compare("role", []).is_clean());
//! ```

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What the client knows of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOutcome {
    /// There was no response.
    Unknown,
    /// 2xx: the request took effect.
    Acknowledged,
    /// 4xx: the request had no effect.
    Refused,
    /// 5xx: something failed, perhaps the commit itself. Judged like [`RequestOutcome::Unknown`].
    Failed,
}

impl RequestOutcome {
    fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Acknowledged,
            400..=499 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The kind of item that the request creates; only items of one kind are compared with each other.
    pub what: &'static str,
    /// The tenant of the request.
    pub tenant: String,
    /// The text that identifies the item wherever it appears.
    pub canary: String,
    /// What the client knows of it.
    pub outcome: RequestOutcome,
    /// The request id in the response; empty without a response.
    pub receipt: String,
}

/// A line that waits for its response.
#[derive(Debug)]
#[must_use = "an answer completes it"]
pub struct Pending(usize);

/// All requests and their responses.
#[derive(Debug, Default)]
pub struct Ledger {
    lines: Mutex<Vec<LedgerEntry>>,
    canaries: AtomicU64,
}

/// The differences found. Each entry names the line, or the item that no line asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Discrepancies {
    /// Acknowledged items that are absent.
    pub lost: Vec<String>,
    /// Refused or never requested items that are present.
    pub phantoms: Vec<String>,
    /// Items that are present more than once.
    pub duplicates: Vec<String>,
    /// Items that are present in another tenant than theirs.
    pub leaks: Vec<String>,
}

impl Discrepancies {
    /// Returns whether there are no differences.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

impl Ledger {
    /// Returns a text that no other line has. It is valid in slugs, names and the local part of an email address.
    pub fn canary(&self) -> String {
        format!("canary-{}", self.canaries.fetch_add(1, Ordering::Relaxed))
    }

    /// Records a request before it is sent.
    pub fn before(&self, what: &'static str, tenant: &str, canary: &str) -> Pending {
        let mut lines = self.locked();
        lines.push(LedgerEntry {
            what,
            tenant: tenant.to_owned(),
            canary: canary.to_owned(),
            outcome: RequestOutcome::Unknown,
            receipt: String::new(),
        });
        Pending(lines.len() - 1)
    }

    /// Records the response. Without one the request stays unknown.
    pub fn after(&self, request: Pending, status: u16, receipt: &str) {
        if let Some(line) = self.locked().get_mut(request.0) {
            line.outcome = RequestOutcome::of_status(status);
            receipt.clone_into(&mut line.receipt);
        }
    }

    /// Returns the lines with this outcome.
    pub fn lines(&self, outcome: RequestOutcome) -> Vec<LedgerEntry> {
        self.locked().iter().filter(|line| line.outcome == outcome).cloned().collect()
    }

    /// Returns how many lines have this outcome.
    pub fn count(&self, outcome: RequestOutcome) -> usize {
        self.locked().iter().filter(|line| line.outcome == outcome).count()
    }

    /// Compares all stored items of one kind, as pairs of tenant and canary, with the responses that the client got.
    pub fn compare(&self, what: &'static str, found: impl IntoIterator<Item = (String, String)>) -> Discrepancies {
        let mut places: HashMap<String, Vec<String>> = HashMap::new();
        for (tenant, canary) in found {
            places.entry(canary).or_default().push(tenant);
        }
        let mut verdict = Discrepancies::default();
        for line in self.locked().iter().filter(|line| line.what == what) {
            let tenants = places.remove(&line.canary).unwrap_or_default();
            let tell = || format!("{line:?}, found in {tenants:?}");
            let home = tenants.iter().filter(|tenant| **tenant == line.tenant).count();
            if line.outcome == RequestOutcome::Acknowledged && home == 0 {
                verdict.lost.push(tell());
            }
            if line.outcome == RequestOutcome::Refused && home > 0 {
                verdict.phantoms.push(tell());
            }
            if home > 1 {
                verdict.duplicates.push(tell());
            }
            if tenants.len() > home {
                verdict.leaks.push(tell());
            }
        }
        verdict.phantoms.extend(places.into_iter().map(|(canary, tenants)| format!("{canary} in {tenants:?}")));
        verdict
    }

    fn locked(&self) -> MutexGuard<'_, Vec<LedgerEntry>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a ledger with one request of each outcome for `acme`, canaries 0 to 3 in the order of
    /// [`RequestOutcome`].
    fn ledger() -> Ledger {
        let ledger = Ledger::default();
        for status in [None, Some(201), Some(409), Some(503)] {
            let canary = ledger.canary();
            let request = ledger.before("role", "acme", &canary);
            if let Some(status) = status {
                ledger.after(request, status, "id");
            }
        }
        ledger
    }

    fn compared(found: &[(&str, u64)]) -> Discrepancies {
        ledger().compare("role", found.iter().map(|(tenant, n)| ((*tenant).to_owned(), format!("canary-{n}"))))
    }

    #[test]
    fn what_was_acknowledged_must_be_there_and_the_unknown_may() {
        assert!(compared(&[("acme", 1)]).is_clean());
        assert!(compared(&[("acme", 0), ("acme", 1), ("acme", 3)]).is_clean());
        assert_eq!(compared(&[]).lost.len(), 1);
    }

    #[test]
    fn what_was_refused_or_never_asked_for_must_not_be_there() {
        assert_eq!(compared(&[("acme", 1), ("acme", 2)]).phantoms.len(), 1);
        assert_eq!(compared(&[("acme", 1), ("acme", 9)]).phantoms.len(), 1);
    }

    #[test]
    fn nothing_is_there_twice_or_elsewhere() {
        assert_eq!(compared(&[("acme", 1), ("acme", 1)]).duplicates.len(), 1);
        assert_eq!(compared(&[("acme", 1), ("acme", 0), ("acme", 0)]).duplicates.len(), 1);
        let leaked = compared(&[("acme", 1), ("globex", 1)]);
        assert_eq!((leaked.leaks.len(), leaked.lost.len()), (1, 0));
        let moved = compared(&[("globex", 1)]);
        assert_eq!((moved.leaks.len(), moved.lost.len()), (1, 1));
    }

    #[test]
    fn kinds_are_judged_apart() {
        let ledger = ledger();
        assert!(ledger.compare("name", []).is_clean());
        assert_eq!(ledger.lines(RequestOutcome::Refused).len(), 1);
        assert_eq!(ledger.count(RequestOutcome::Failed), 1);
    }
}
