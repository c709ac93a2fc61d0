//! Tests of invalid and hostile input.

mod bodies;
mod conventions;
mod cors;
mod framing;
mod head;
mod lists;
mod queries;
mod search;
mod slow;
mod spellings;
mod texts;
