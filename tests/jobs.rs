//! Tests of background jobs as users see them, over HTTP and at the command line.

mod walk;

use serde_json::{Value, json};
use std::process::{Command, Output};

use crate::support::{
    ResourceFixture, Server, ServerData, Settings, Tenant, eventually, fixture::id_of, routes::UNKNOWN_ID,
};
pub(crate) use walk::walk;

const FUTURE: &str = "2100-01-01T00:00:00+00:00";

/// Returns an email that was sent in the background.
pub(crate) async fn fixture(tenant: &Tenant) -> ResourceFixture {
    let jobs = tenant.owner.get("/jobs").await.is(200);
    let id = id_of(&jobs[0]);
    ResourceFixture::default().has(id).tried_with(&["get_job", "retry_job", "cancel_job"], &[id])
}

/// Runs a command about jobs on a server's data.
pub(crate) fn run(place: &ServerData, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .arg("jobs")
        .args(arguments)
        .env_clear()
        .envs(place.settings(&Settings::default()))
        .current_dir(place.folder.path())
        .output()
        .unwrap()
}

/// Returns the output of a command that succeeds.
fn said(place: &ServerData, arguments: &[&str]) -> String {
    let done = run(place, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Returns the error output of a command that fails.
fn complains(place: &ServerData, arguments: &[&str]) -> String {
    let done = run(place, arguments);
    assert!(!done.status.success(), "{arguments:?}");
    String::from_utf8(done.stderr).unwrap()
}

/// Creates a tenant and the email of an invitation, which was sent.
async fn with_mail(server: &Server) -> (Tenant, String) {
    let acme = server.verified_tenant("acme").await;
    server.invite(&acme, "fay@fay.example", "member").await;
    server.sql.settled().await;
    let jobs = acme.owner.get("/jobs").await.is(200);
    assert_eq!(jobs.as_array().map(Vec::len), Some(1), "{jobs}");
    let id = jobs[0]["id"].as_str().unwrap().to_owned();
    (acme, id)
}

/// Changes the state of a finished job directly in the database.
async fn set_state(server: &Server, id: &str, state: &str) {
    let (run_at, finished_at) = match state {
        "scheduled" => (format!("run_at = '{FUTURE}', "), "NULL"),
        _ => (String::new(), "finished_at"),
    };
    let id = server.sql.id(id);
    let error = "last_error = 'it rained'";
    let sql =
        format!("UPDATE jobs SET state = '{state}', {run_at}finished_at = {finished_at}, {error} WHERE id = {id}");
    server.sql.execute(&sql).await;
}

async fn state(acme: &Tenant, id: &str) -> Value {
    acme.owner.get(&format!("/jobs/{id}")).await.is(200)["state"].clone()
}

/// Requests a clean-up and returns its result.
async fn clean_up(acme: &Tenant, body: Value) -> Value {
    let asked = acme.owner.post("/jobs/cleanup", body).await.is(202);
    let path = format!("/jobs/{}", asked["jobId"].as_str().unwrap());
    eventually("the clean-up is done", async || acme.owner.get(&path).await.is(200)["state"] == "completed").await;
    acme.owner.get(&path).await.is(200)["result"].clone()
}

on_both_databases! {
    async fn a_job_is_shown_without_its_payload(server: Server) {
        let (acme, id) = with_mail(&server).await;
        let reply = acme.owner.get(&format!("/jobs/{id}")).await;
        let text = reply.text.clone();
        let job = reply.is(200);
        assert_eq!((&job["state"], &job["attempt"], &job["lastError"]), (&json!("completed"), &json!(1), &Value::Null));
        assert!(!text.contains("fay@") && !text.contains("payload") && !text.contains("secret"), "{text}");
        let count = async |query: &str| acme.owner.get(&format!("/jobs?{query}")).await.is(200).as_array().unwrap().len();
        let kind = job["kind"].as_str().unwrap();
        assert_eq!(count(&format!("kind={kind}&state=completed")).await, 1);
        assert_eq!(count("kind=other").await, 0);
        assert_eq!(count("queue=other").await, 0);
        assert_eq!(count("state=dead").await, 0);
        acme.owner.get("/jobs?state=lost").await.refused(422, "validation_failed");
        let stats = acme.owner.get("/jobs/stats").await.is(200);
        let wanted = json!([{
            "queue": job["queue"], "ready": 0, "scheduled": 0, "running": 0, "dead": 0, "completedLastHour": 1,
            "oldestReadySeconds": null
        }]);
        assert_eq!(stats, wanted);
    }

    async fn a_dead_letter_is_retried(server: Server) {
        let (acme, id) = with_mail(&server).await;
        let retry = format!("/jobs/{id}/retry");
        acme.owner.post(&retry, json!({})).await.refused(409, "invalid_state");
        let without_link = acme.owner.post("/jobs/cleanup", json!({})).await.is(202)["jobId"].clone();
        let id = without_link.as_str().unwrap();
        let retry = format!("/jobs/{id}/retry");
        server.sql.settled().await;
        set_state(&server, id, "dead").await;
        let dead = acme.owner.get("/jobs?state=dead").await.is(200);
        assert_eq!((&dead[0]["id"], &dead[0]["lastError"]), (&json!(id), &json!("it rained")));
        let reply = acme.owner.post(&retry, json!({})).await;
        assert_eq!(server.sql.events_of(reply.request_id()).await, [("job.retried".to_owned(), "succeeded".to_owned())]);
        reply.is(202);
        eventually("it is done", async || state(&acme, id).await == "completed").await;
    }

    async fn an_email_whose_link_is_gone_is_not_retried(server: Server) {
        let (acme, id) = with_mail(&server).await;
        // Its link was deleted when the email was sent.
        for left in ["dead", "cancelled"] {
            set_state(&server, &id, left).await;
            let reply = acme.owner.post(&format!("/jobs/{id}/retry"), json!({})).await;
            assert_eq!(server.sql.events_of(reply.request_id()).await, []);
            let way_out = reply.refused(409, "invalid_state")["details"][0].clone();
            assert_eq!(way_out["code"], "secret_gone");
            assert!(way_out["message"].as_str().unwrap().contains("invite the person again"), "{way_out}");
            let told = complains(&server.place, &["retry", &id]);
            assert!(told.contains("ask for a new link"), "{told}");
            assert_eq!(state(&acme, &id).await, left);
        }
    }

    async fn a_waiting_job_is_cancelled(server: Server) {
        let (acme, id) = with_mail(&server).await;
        let cancel = format!("/jobs/{id}/cancel");
        acme.owner.post(&cancel, json!({})).await.refused(409, "invalid_state");
        set_state(&server, &id, "scheduled").await;
        let reply = acme.owner.post(&cancel, json!({})).await;
        let left = server.sql.events_of(reply.request_id()).await;
        assert_eq!(left, [("job.cancelled".to_owned(), "succeeded".to_owned())]);
        reply.is(202);
        assert_eq!(state(&acme, &id).await, "cancelled");
        acme.owner.post(&cancel, json!({})).await.refused(409, "invalid_state");
    }

    async fn te1_a_tenant_manages_its_own_jobs_only(server: Server) {
        let (acme, id) = with_mail(&server).await;
        let globex = server.verified_tenant("globex").await;
        set_state(&server, &id, "scheduled").await;
        for id in [id.as_str(), UNKNOWN_ID] {
            globex.owner.get(&format!("/jobs/{id}")).await.refused(404, "not_found");
            globex.owner.post(&format!("/jobs/{id}/retry"), json!({})).await.refused(404, "not_found");
            globex.owner.post(&format!("/jobs/{id}/cancel"), json!({})).await.refused(404, "not_found");
        }
        assert_eq!(state(&acme, &id).await, "scheduled");
        let limited = server.member_with(&acme, &["jobs:read"]).await;
        limited.get("/jobs").await.is(200);
        limited.post(&format!("/jobs/{id}/cancel"), json!({})).await.refused(403, "permission_denied");
        limited.post("/jobs/cleanup", json!({})).await.refused(403, "permission_denied");
    }

    async fn a_tenant_cleans_up_its_own_rows(server: Server) {
        let (acme, id) = with_mail(&server).await;
        let globex = server.verified_tenant("globex").await;
        server.invite(&globex, "gus@gus.example", "member").await;
        server.sql.settled().await;
        let long_ago = "2020-01-01T00:00:00+00:00";
        server.sql.execute(&format!("UPDATE jobs SET finished_at = '{long_ago}' WHERE tenant_id IS NOT NULL")).await;
        server.sql.execute(&format!("UPDATE invitations SET expires_at = '{long_ago}'")).await;
        let gone = server.sign_in(&acme.owner.email, "acme").await.session_id().await;
        let gone = server.sql.id(&gone);
        server.sql.execute(&format!("UPDATE sessions SET expires_at = '{long_ago}' WHERE id = {gone}")).await;

        let counted = clean_up(&acme, json!({ "dryRun": true })).await;
        assert_eq!(counted, json!({ "ended_sessions": 1, "expired_invitations": 1, "finished_jobs": 1, "journal_segments": 0 }));
        acme.owner.get(&format!("/jobs/{id}")).await.is(200);
        assert_eq!(clean_up(&acme, json!({ "targets": ["finished_jobs"] })).await, json!({ "finished_jobs": 1 }));
        acme.owner.get(&format!("/jobs/{id}")).await.refused(404, "not_found");
        assert_eq!(acme.owner.get("/invitations").await.is(200).as_array().map(Vec::len), Some(1));
        let rest = acme.owner.send(reqwest::Method::POST, "/jobs/cleanup", None, &[]).await;
        let left = server.sql.events_of(rest.request_id()).await;
        assert_eq!(left, [("cleanup.requested".to_owned(), "succeeded".to_owned())]);
        rest.is(202);
        server.sql.settled().await;
        assert_eq!(acme.owner.get("/invitations").await.is(200), json!([]));
        let kept = globex.owner.get("/invitations").await.is(200);
        assert_eq!(kept.as_array().map(Vec::len), Some(1), "another tenant's rows stay");
        for target in ["expired_links", "attempts", "", "jobs"] {
            let refused = acme.owner.post("/jobs/cleanup", json!({ "targets": [target] })).await;
            assert_eq!(refused.refused(422, "validation_failed")["details"][0]["field"], "targets[0]");
        }
    }

    async fn the_operator_manages_jobs_at_the_command_line(server: Server) {
        let (acme, id) = with_mail(&server).await;
        let place = &server.place;
        set_state(&server, &id, "scheduled").await;
        let listed = said(place, &["list", "--tenant", "acme", "--state", "scheduled"]);
        assert!(listed.starts_with("ID ") && listed.contains(&id) && listed.contains("it rained"), "{listed}");
        let listed: Value = serde_json::from_str(&said(place, &["list", "--tenant", "acme", "--json"])).unwrap();
        assert_eq!((&listed[0]["id"], &listed[0]["tenant"]), (&json!(id), &json!(acme.id)));
        assert!(said(place, &["stats"]).contains("SCHEDULED"));
        assert!(said(place, &["show", &id]).contains("state: scheduled"));
        assert!(complains(place, &["retry", &id]).contains("is scheduled"));
        assert!(said(place, &["cancel", &id]).contains("cancelled job"));
        assert_eq!(state(&acme, &id).await, "cancelled");
        let without_link = acme.owner.post("/jobs/cleanup", json!({})).await.is(202)["jobId"].clone();
        server.sql.settled().await;
        set_state(&server, without_link.as_str().unwrap(), "dead").await;
        assert!(said(place, &["retry", without_link.as_str().unwrap()]).contains("ready again"));
        for action in ["job.cancelled", "job.retried"] {
            let events = acme.owner.get(&format!("/audit-logs?action={action}")).await.is(200);
            assert_eq!(events[0]["actor"]["type"], "operator", "{action}");
        }
        assert!(complains(place, &["show", UNKNOWN_ID]).contains("there is no job"));
        assert!(complains(place, &["list", "--tenant", "nobody"]).contains("there is no tenant"));
    }

    async fn the_operator_cleans_up_for_everybody(server: Server) {
        let (acme, id) = with_mail(&server).await;
        let place = &server.place;
        server.sql.execute("UPDATE jobs SET finished_at = '2020-01-01T00:00:00+00:00' WHERE finished_at IS NOT NULL").await;
        let swept = |arguments: &[&str]| -> Value { serde_json::from_str(&said(place, arguments)).unwrap() };
        let counted = swept(&["cleanup", "--dry-run", "--json"]);
        assert_eq!(counted.as_object().map(serde_json::Map::len), Some(10), "{counted}");
        assert!(counted["finished_jobs"].as_u64() >= Some(2), "those of persons go too: {counted}");
        assert_eq!(state(&acme, &id).await, "completed");
        let own = swept(&["cleanup", "--tenant", "acme", "--json"]);
        assert_eq!(own, json!({ "ended_sessions": 0, "expired_invitations": 0, "finished_jobs": 1, "journal_segments": 0 }));
        let rest = swept(&["cleanup", "--target", "finished_jobs", "--json"]);
        assert_eq!(rest["finished_jobs"].as_u64(), counted["finished_jobs"].as_u64().map(|all| all - 1));
        assert!(complains(place, &["cleanup", "--tenant", "acme", "--target", "attempts"]).contains("attempts"));
    }
}
