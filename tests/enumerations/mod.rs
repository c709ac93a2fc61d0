//! Tests of every operation, including each new one as soon as it exists.

mod codes;
mod events;
mod foreign_ids;
mod protected_fields;
mod refusals;
mod routes;
