//! What is true of every operation, and of one that is new as soon as it is there.

mod codes;
mod events;
mod foreign_ids;
mod protected_fields;
mod refusals;
mod routes;
