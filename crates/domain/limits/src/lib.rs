//! Rate limits for callers and tenants: the rule, the ports of the counters, and the header fields.
//!
//! The rule is GCRA, the generic cell rate algorithm (ITU-T I.371): the whole quota may come at once, and after that
//! one request for each equal part of the window. Processes that share a store count together there. Each process also
//! counts on its own, so that it can continue alone from the time when the store is lost ([`Limits`]).

mod fields;
mod limiter;
mod limits;
mod policies;
mod processes;

pub use fields::RateLimitDecision;
pub use limiter::{Consumed, Consumption, LimitKey, Limiter, LimiterError, LocalFallback, RateLimitStatus, RateQuota};
pub use limits::{DecidedBy, Limits};
pub use policies::{PlanQuotas, Policies, Policy};
pub use processes::{ProcessId, Processes};
