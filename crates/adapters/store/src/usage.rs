//! Records when sessions were last used and members last seen, to the minute and for many at once.

use sea_orm::ConnectionTrait;
use tenantry_kernel::{SessionId, StoreError, Timestamp};

use crate::Unit;

impl Unit {
    /// Maximum number of sessions in one statement.
    const SESSIONS_A_STATEMENT: usize = 500;

    /// Records that these sessions, and with them their memberships, were used at this time.
    pub async fn note_use(&mut self, sessions: &[SessionId], now: Timestamp) -> Result<(), StoreError> {
        for sessions in sessions.chunks(Self::SESSIONS_A_STATEMENT) {
            let among = self.among("$2");
            let statements = [
                format!("UPDATE sessions SET last_used_at = $1 WHERE id {among}"),
                format!(
                    "UPDATE memberships SET last_seen_at = $1 WHERE (tenant_id, user_id) IN \
                     (SELECT s.tenant_id, s.user_id FROM sessions s WHERE s.id {among})"
                ),
            ];
            for sql in statements {
                let values =
                    [now.to_minute().utc().into(), self.id_list(sessions.iter().map(|session| session.uuid()))];
                self.run(self.transaction.execute_raw(self.sql(&sql, values))).await?;
            }
        }
        Ok(())
    }
}
