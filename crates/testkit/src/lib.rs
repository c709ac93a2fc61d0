//! What tests of Tenantry are made with: a contract suite for each port, which every adapter has to pass, and throw-away
//! databases to run it on. It knows the domain's ports and no adapter, so that a new adapter is proved with the same tests.

pub mod databases;
pub mod ledger;
