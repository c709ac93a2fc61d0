//! What a client was told, against what is there: the book that is kept while something is broken on purpose.
//!
//! A line is written before each request and completed by its answer. When everything works again, whoever broke it
//! reads back what there is and lets the [`Ledger`] judge it: what was acknowledged must be there, once, and nowhere
//! else; what was refused must not be there. A request without an answer may have been done or not, but never twice.
//!
//! ```
//! use tenantry_testkit::ledger::Ledger;
//!
//! let ledger = Ledger::default();
//! let canary = ledger.canary();
//! let request = ledger.before("role", "acme", &canary);
//! ledger.after(request, 201, "the id of the request");
//! let found = [("acme".to_owned(), canary)];
//! assert!(ledger.judge("role", found).is_clean());
//! assert!(!ledger.judge("role", []).is_clean());
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
pub enum Outcome {
    /// There was no answer.
    Unknown,
    /// 2xx: it was done.
    Acknowledged,
    /// 4xx: it was not done.
    Refused,
    /// 5xx: something failed, perhaps the very commit. Judged like [`Outcome::Unknown`].
    Failed,
}

impl Outcome {
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
pub struct Line {
    /// What it was to make: only things of one kind are compared with each other.
    pub what: &'static str,
    /// In which tenant.
    pub tenant: String,
    /// The text by which it is known wherever it turns up.
    pub canary: String,
    /// What the client knows of it.
    pub outcome: Outcome,
    /// The id that the answer gave the request; empty without one.
    pub receipt: String,
}

/// A line that waits for its answer.
#[derive(Debug)]
#[must_use = "an answer completes it"]
pub struct Pending(usize);

/// Everything that was asked for and answered.
#[derive(Debug, Default)]
pub struct Ledger {
    lines: Mutex<Vec<Line>>,
    canaries: AtomicU64,
}

/// What is wrong with what was found. Each entry tells the line, or the thing that no line asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged, but absent.
    pub lost: Vec<String>,
    /// Refused or never asked for, but present.
    pub phantoms: Vec<String>,
    /// Present more than once.
    pub duplicates: Vec<String>,
    /// Present in a tenant that it was not made for.
    pub leaks: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

impl Ledger {
    /// A text that no other line has. It is fit for slugs, names and the local part of an address.
    pub fn canary(&self) -> String {
        format!("canary-{}", self.canaries.fetch_add(1, Ordering::Relaxed))
    }

    /// Notes a request before it is sent.
    pub fn before(&self, what: &'static str, tenant: &str, canary: &str) -> Pending {
        let mut lines = self.locked();
        lines.push(Line {
            what,
            tenant: tenant.to_owned(),
            canary: canary.to_owned(),
            outcome: Outcome::Unknown,
            receipt: String::new(),
        });
        Pending(lines.len() - 1)
    }

    /// Notes the answer. Without one the request stays unknown.
    pub fn after(&self, request: Pending, status: u16, receipt: &str) {
        if let Some(line) = self.locked().get_mut(request.0) {
            line.outcome = Outcome::of_status(status);
            receipt.clone_into(&mut line.receipt);
        }
    }

    /// The lines with this outcome.
    pub fn lines(&self, outcome: Outcome) -> Vec<Line> {
        self.locked().iter().filter(|line| line.outcome == outcome).cloned().collect()
    }

    /// How many lines have this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.locked().iter().filter(|line| line.outcome == outcome).count()
    }

    /// Compares every thing of one kind that there is, as pairs of tenant and canary, with what the client was told.
    pub fn judge(&self, what: &'static str, found: impl IntoIterator<Item = (String, String)>) -> Verdict {
        let mut places: HashMap<String, Vec<String>> = HashMap::new();
        for (tenant, canary) in found {
            places.entry(canary).or_default().push(tenant);
        }
        let mut verdict = Verdict::default();
        for line in self.locked().iter().filter(|line| line.what == what) {
            let tenants = places.remove(&line.canary).unwrap_or_default();
            let tell = || format!("{line:?}, found in {tenants:?}");
            let home = tenants.iter().filter(|tenant| **tenant == line.tenant).count();
            if line.outcome == Outcome::Acknowledged && home == 0 {
                verdict.lost.push(tell());
            }
            if line.outcome == Outcome::Refused && home > 0 {
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

    fn locked(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger with one request of each outcome for `acme`, canaries 0 to 3 in the order of [`Outcome`].
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

    fn judged(found: &[(&str, u64)]) -> Verdict {
        ledger().judge("role", found.iter().map(|(tenant, n)| ((*tenant).to_owned(), format!("canary-{n}"))))
    }

    #[test]
    fn what_was_acknowledged_must_be_there_and_the_unknown_may() {
        assert!(judged(&[("acme", 1)]).is_clean());
        assert!(judged(&[("acme", 0), ("acme", 1), ("acme", 3)]).is_clean());
        assert_eq!(judged(&[]).lost.len(), 1);
    }

    #[test]
    fn what_was_refused_or_never_asked_for_must_not_be_there() {
        assert_eq!(judged(&[("acme", 1), ("acme", 2)]).phantoms.len(), 1);
        assert_eq!(judged(&[("acme", 1), ("acme", 9)]).phantoms.len(), 1);
    }

    #[test]
    fn nothing_is_there_twice_or_elsewhere() {
        assert_eq!(judged(&[("acme", 1), ("acme", 1)]).duplicates.len(), 1);
        assert_eq!(judged(&[("acme", 1), ("acme", 0), ("acme", 0)]).duplicates.len(), 1);
        let leaked = judged(&[("acme", 1), ("globex", 1)]);
        assert_eq!((leaked.leaks.len(), leaked.lost.len()), (1, 0));
        let moved = judged(&[("globex", 1)]);
        assert_eq!((moved.leaks.len(), moved.lost.len()), (1, 1));
    }

    #[test]
    fn kinds_are_judged_apart() {
        let ledger = ledger();
        assert!(ledger.judge("name", []).is_clean());
        assert_eq!(ledger.lines(Outcome::Refused).len(), 1);
        assert_eq!(ledger.count(Outcome::Failed), 1);
    }
}
