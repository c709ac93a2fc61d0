//! Tests of invalid and hostile input.

mod bodies;
mod conventions;
mod cors;
mod framing;
mod head;
mod lists;
mod search;
mod slow;
mod spellings;
mod texts;
