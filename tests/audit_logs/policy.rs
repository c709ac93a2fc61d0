//! Tests of the retention of the log.

use secrecy::SecretString;
use serde_json::json;
use std::time::Duration;
use tenantry_audit::{Chain, seal_next_segment};
use tenantry_crypto::{SealSigningKeys, SystemEntropy};
use tenantry_kernel::{Actor, Context, Event, Journal, RequestId};
use tenantry_store::{Scope, SystemReason};
use tenantry_tenancy::vocabulary::ROLE_UPDATED;
use tenantry_testkit::context::TestClock;

use crate::support::{Server, Tenant};

impl Server {
    /// Adds entries that were written and sealed this number of days ago.
    async fn old_segment(&self, tenant: &Tenant, days: u64) {
        let then = self.app.context.now().minus(Duration::from_secs(days * 24 * 60 * 60));
        let context = Context::new(TestClock::at(then), SystemEntropy);
        let kept = std::fs::read_to_string(self.place.folder.path().join("keys.env")).unwrap();
        let keys = kept.lines().find_map(|line| line.strip_prefix("SEAL_KEYS=")).unwrap();
        let keys = SealSigningKeys::parse(&[SecretString::from(keys.to_owned())]).unwrap();
        let tenant = tenant.id.parse().unwrap();
        let actor = Actor::system(RequestId::new(&context));
        let mut unit = self.app.store.begin(Scope::System(SystemReason::Maintenance)).await.unwrap();
        for _ in 0..3 {
            let event = Event::new(&context, &actor.within(Some(tenant)), ROLE_UPDATED);
            unit.append_event(event).await.unwrap();
        }
        seal_next_segment(&mut unit, &actor, &context, &keys, Chain(Some(tenant))).await.unwrap().unwrap();
        unit.commit().await.unwrap();
    }

    /// Runs the removal of entries past retention, and returns how many there were.
    async fn removed(&self, tenant: &Tenant, dry_run: bool) -> u64 {
        let body = json!({ "targets": ["journal_segments"], "dryRun": dry_run });
        let job = tenant.owner.post("/jobs/cleanup", body).await.is(202)["jobId"].clone();
        self.sql.settled().await;
        let job = tenant.owner.get(&format!("/jobs/{}", job.as_str().unwrap())).await.is(200);
        job["result"]["journal_segments"].as_u64().unwrap_or_else(|| panic!("{job}"))
    }
}

on_both_databases! {
    async fn retention_is_set_upward_only_and_by_an_owner(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        let path = "/audit-logs/policy";
        assert_eq!(owner.get(path).await.is(200), json!({ "retentionDays": 90, "legalHold": false }));
        let refused = owner.patch(path, json!({ "retentionDays": 89 })).await.refused(422, "validation_failed");
        assert_eq!(refused["details"][0]["field"], "retentionDays");
        for bad in [json!(0), json!(-1), json!(36_501), json!(1.5), json!("400")] {
            owner.patch(path, json!({ "retentionDays": bad })).await.refused(422, "validation_failed");
        }
        owner.patch(path, json!({ "legalHold": null })).await.refused(422, "validation_failed");
        let set = owner.patch(path, json!({ "retentionDays": 400, "legalHold": true })).await.is(200);
        assert_eq!(set, json!({ "retentionDays": 400, "legalHold": true }));
        assert_eq!(owner.patch(path, json!({ "retentionDays": null })).await.is(200)["retentionDays"], 90);
        assert_eq!(owner.get(path).await.is(200), json!({ "retentionDays": 90, "legalHold": true }));
        let noted = owner.get("/audit-logs?action=audit.policy_changed").await.is(200);
        assert_eq!(noted.as_array().map(Vec::len), Some(2));
        assert_eq!(noted[1]["changes"][0], json!({ "field": "retentionDays", "from": 90, "to": 400 }));
        owner.patch(path, json!({ "legalHold": true })).await.is(200);
        assert_eq!(owner.get("/audit-logs?action=audit.policy_changed").await.is(200).as_array().map(Vec::len), Some(2));
        let admin = server.member(&acme, "admin").await;
        admin.get(path).await.is(200);
        admin.patch(path, json!({ "legalHold": false })).await.refused(403, "permission_denied");
    }

    async fn segments_past_retention_go_and_their_seals_stay(server: Server) {
        let acme = server.tenant("acme").await;
        // The entries of the registration are older in the chain: they are sealed with the first of the old entries.
        server.sql.execute("DELETE FROM journal_unsealed").await;
        let registered = acme.owner.get("/audit-logs?limit=100").await.is(200).as_array().unwrap().len();
        for days in [200, 100, 50] {
            server.old_segment(&acme, days).await;
        }
        let count = async || acme.owner.get("/audit-logs?action=role.updated").await.is(200).as_array().unwrap().len();
        acme.owner.patch("/audit-logs/policy", json!({ "legalHold": true })).await.is(200);
        assert_eq!(server.removed(&acme, true).await, 0);
        assert_eq!(server.removed(&acme, false).await, 0);
        acme.owner.patch("/audit-logs/policy", json!({ "legalHold": false, "retentionDays": 150 })).await.is(200);
        assert_eq!(server.removed(&acme, true).await, 4);
        assert_eq!((server.removed(&acme, false).await, count().await), (4, 6));
        acme.owner.patch("/audit-logs/policy", json!({ "retentionDays": null })).await.is(200);
        assert_eq!((server.removed(&acme, false).await, count().await), (4, 3));
        assert_eq!(server.removed(&acme, false).await, 0);
        assert_eq!(acme.owner.get("/audit-logs/seals").await.is(200).as_array().map(Vec::len), Some(3));
        assert!(registered > 0);
        // The entries removed from the queue above belong to no segment, and the verifier reports that.
        let said = server.audit(&["verify", "--tenant", "acme"]);
        assert!(said.code == 1 && said.text.contains("was added"), "{}", said.text);
        let chain = server.sql.id(&acme.id);
        let waiting = format!(
            "INSERT INTO journal_unsealed SELECT tenant_id, id FROM journal WHERE tenant_id = {chain} \
             AND action NOT IN ('role.updated', 'audit.sealed') AND id NOT IN (SELECT event_id FROM journal_unsealed)"
        );
        server.sql.execute(&waiting).await;
        server.audit(&["seal"]).whole();
        let said = server.audit(&["verify", "--tenant", "acme"]).whole();
        assert!(said.contains("the first 2 segments (8 entries) removed at the end of retention"), "{said}");
        let lines = crate::audit_logs::seals::evidence(&acme).await;
        assert!(lines[1]["segment"]["listed"].is_null());
    }
}
