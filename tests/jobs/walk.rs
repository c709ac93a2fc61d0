//! The walk through the operations of background jobs.

use serde_json::json;

use crate::support::walk::{NOTHING, Walk};

pub(crate) async fn walk(walk: &Walk<'_>) {
    let acme = walk.server.verified_tenant("busy-bees").await;
    let owner = &acme.owner;
    walk.server.invite(&acme, "bee@bee.example", "member").await;
    walk.server.sql.settled().await;
    walk.call(owner, "GET /jobs/stats", NOTHING).await.is(200);
    let sent = walk.call(owner, "GET /jobs?state=completed", NOTHING).await.is(200)[0]["id"].clone();
    let sent = format!("/jobs/{}", sent.as_str().unwrap());
    walk.call(owner, &format!("GET {sent}"), NOTHING).await.is(200);
    walk.call(owner, "GET /jobs?cursor=x", NOTHING).await.refused(400, "invalid_cursor");
    walk.call(owner, &format!("POST {sent}/retry"), NOTHING).await.refused(409, "invalid_state");
    walk.call(owner, &format!("POST {sent}/cancel"), NOTHING).await.refused(409, "invalid_state");
    let body = json!({ "targets": ["ended_sessions"], "dryRun": true });
    let asked = walk.call(owner, "POST /jobs/cleanup", body).await.is(202)["jobId"].clone();
    let asked = asked.as_str().unwrap();
    walk.server.sql.settled().await;
    // Postponed, so that no worker claims it first.
    let put_off = format!(
        "UPDATE jobs SET state = 'scheduled', run_at = '2100-01-01T00:00:00+00:00', finished_at = NULL WHERE id = {}",
        walk.server.sql.id(asked)
    );
    walk.server.sql.execute(&put_off).await;
    walk.call(owner, &format!("POST /jobs/{asked}/cancel"), NOTHING).await.is(202);
    walk.call(owner, &format!("POST /jobs/{asked}/retry"), NOTHING).await.is(202);
    walk.server.sql.settled().await;
}
