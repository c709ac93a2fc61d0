//! The part of the walk that covers background jobs.

use serde_json::json;

use super::{NOTHING, Walk};

impl Walk<'_> {
    pub(super) async fn jobs(&self) {
        let acme = self.server.verified_tenant("busy-bees").await;
        let owner = &acme.owner;
        self.server.invite(&acme, "bee@bee.example", "member").await;
        self.server.sql.settled().await;
        self.call(owner, "GET /jobs/stats", NOTHING).await.is(200);
        let sent = self.call(owner, "GET /jobs?state=completed", NOTHING).await.is(200)[0]["id"].clone();
        let sent = format!("/jobs/{}", sent.as_str().unwrap());
        self.call(owner, &format!("GET {sent}"), NOTHING).await.is(200);
        self.call(owner, "GET /jobs?cursor=x", NOTHING).await.refused(400, "invalid_cursor");
        self.call(owner, &format!("POST {sent}/retry"), NOTHING).await.refused(409, "invalid_state");
        self.call(owner, &format!("POST {sent}/cancel"), NOTHING).await.refused(409, "invalid_state");
        let body = json!({ "targets": ["ended_sessions"], "dryRun": true });
        let asked = self.call(owner, "POST /jobs/cleanup", body).await.is(202)["jobId"].clone();
        let asked = asked.as_str().unwrap();
        self.server.sql.settled().await;
        // Postponed, so that no worker claims it first.
        let put_off = format!(
            "UPDATE jobs SET state = 'scheduled', run_at = '2100-01-01T00:00:00+00:00', finished_at = NULL WHERE id = {}",
            self.server.sql.id(asked)
        );
        self.server.sql.execute(&put_off).await;
        self.call(owner, &format!("POST /jobs/{asked}/cancel"), NOTHING).await.is(202);
        self.call(owner, &format!("POST /jobs/{asked}/retry"), NOTHING).await.is(202);
        self.server.sql.settled().await;
    }
}
