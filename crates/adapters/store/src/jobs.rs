//! The queue: this table is its only truth.

mod board;
mod claims;
mod enqueue;
mod row;
mod schedules;
mod settle;
mod sweep;
mod worklist;

use crate::Unit;

impl Unit {
    /// What keeps a unit from waiting for rows that another holds. On SQLite there is one writer.
    fn skip_locked(&self) -> &'static str {
        if self.is_postgres() { "FOR UPDATE SKIP LOCKED" } else { "" }
    }
}
