//! How many requests a caller and a tenant may send in a minute, who counts them, and what clients are told of it.
//!
//! The rule is GCRA, the generic cell rate algorithm (ITU-T I.371): so many requests may come at once, and after that one
//! more for each equal part of the window. Where processes share a store, they count together there; each counts for
//! itself too, so that it can go on alone from the first moment when that store is lost ([`Limits`]).

mod fields;
mod limiter;
mod limits;
mod policies;
mod processes;

pub use fields::Decision;
pub use limiter::{Charge, Charged, Key, Limiter, LimiterError, Quota, Standing, Twin};
pub use limits::{DecidedBy, Limits};
pub use policies::{PlanQuotas, Policies, Policy};
pub use processes::{ProcessId, Processes};
