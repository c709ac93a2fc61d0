//! Tests of the mailers against their targets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod contracts;
mod faults;
mod outside;
mod security;
mod support;
