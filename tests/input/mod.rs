//! What clients send that they should not.

mod bodies;
mod conventions;
mod cors;
mod framing;
mod lists;
mod search;
mod slow;
mod texts;
