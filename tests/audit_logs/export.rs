//! Tests of the export of the log.

use serde_json::{Value, json};
use tenantry_tenancy::vocabulary::ROLE_UPDATED;

use super::busy;
use crate::support::pages::joined;

on_both_databases! {
    async fn an_export_has_every_entry_oldest_first_and_is_an_event(server: Server) {
        let acme = busy(&server).await;
        let mut whole = joined(&acme.owner, "/audit-logs", 100).await;
        whole.reverse();
        let reply = acme.owner.get("/audit-logs/export?format=ndjson").await;
        assert_eq!(reply.header("content-type"), "application/x-ndjson");
        assert!(reply.header("content-disposition").starts_with("attachment"));
        let lines: Vec<Value> = reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let request = reply.request_id();
        assert_eq!(lines[..lines.len() - 1], whole);
        let noted = &lines[lines.len() - 1];
        assert_eq!((&noted["action"], &noted["target"]["id"]), (&json!("audit.exported"), &json!(acme.id)));
        assert_eq!(server.sql.events_of(request).await, [("audit.exported".to_owned(), "succeeded".to_owned())]);
    }

    async fn filters_and_columns_are_those_of_the_list(server: Server) {
        let acme = busy(&server).await;
        let mut wanted = joined(&acme.owner, "/audit-logs?action=role.*", 100).await;
        wanted.reverse();
        let reply = acme.owner.get("/audit-logs/export?format=csv&action=role.*").await;
        assert!(reply.header("content-type").starts_with("text/csv"));
        let mut table = csv::Reader::from_reader(reply.text.as_bytes());
        let names = table.headers().unwrap().clone();
        let rows: Vec<_> = table.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), wanted.len());
        for (row, entry) in rows.iter().zip(&wanted) {
            let cell = |name: &str| &row[names.iter().position(|known| known == name).unwrap()];
            assert_eq!(cell("id"), entry["id"].as_str().unwrap());
            assert_eq!(cell("targetName"), entry["target"]["name"].as_str().unwrap_or_default());
            assert_eq!(serde_json::from_str::<Value>(cell("changes")).unwrap(), entry["changes"]);
        }
        let noted = acme.owner.get("/audit-logs?action=audit.exported").await.is(200);
        assert_eq!(noted[0]["changes"][1], json!({ "field": "filters", "from": null, "to": ["action=role.*"] }));
    }

    async fn a_name_that_is_a_formula_is_harmless_in_the_table(server: Server) {
        let acme = server.tenant("acme").await;
        let name = "=HYPERLINK(\"https://evil.example\")";
        acme.owner.post("/roles", json!({ "name": name, "permissions": [] })).await.is(201);
        let reply = acme.owner.get("/audit-logs/export?format=csv&action=role.created").await;
        let row = csv::Reader::from_reader(reply.text.as_bytes()).into_records().next().unwrap().unwrap();
        assert_eq!(&row[9], format!("'{name}"));
    }

    async fn an_export_of_many_portions_is_whole(server: Server) {
        let acme = server.tenant("acme").await;
        let scope = tenantry_store::Scope::System(tenantry_store::SystemReason::Maintenance);
        let context = &server.app.context;
        for _ in 0..10 {
            let mut unit = server.app.store.begin(scope).await.unwrap();
            for _ in 0..250 {
                let actor = tenantry_kernel::Actor::system(tenantry_kernel::RequestId::new(context));
                let event = tenantry_kernel::Event::new(context, &actor, ROLE_UPDATED)
                    .within(acme.id.parse().ok());
                tenantry_kernel::Journal::append_event(&mut unit, event).await.unwrap();
            }
            unit.commit().await.unwrap();
        }
        let reply = acme.owner.get("/audit-logs/export?format=ndjson&action=role.updated").await;
        let ids: std::collections::BTreeSet<String> = reply
            .text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 2_500);
        let table = acme.owner.get("/audit-logs/export?format=csv&action=role.updated").await.text;
        assert_eq!(table.lines().count(), 2_501);
        assert!(server.audit(&["seal"]).whole().contains("segments"));
        let lines = crate::audit_logs::seals::evidence(&acme).await;
        assert!(lines.iter().filter(|line| line["segment"].is_object()).count() >= 3);
        server.audit(&["verify"]).whole();
    }

    async fn what_does_not_go_together_is_refused(server: Server) {
        let acme = server.tenant("acme").await;
        for (query, field) in [
            ("", "format"), ("format=xml", "format"), ("format=csv&seals=true", "seals"), ("format=ndjson&seals=yes", "seals"),
            ("format=ndjson&seals=true&action=role.*", "seals"), ("format=csv&from=now", "from"), ("format=csv&limit=1", "limit"),
        ] {
            let refused = acme.owner.get(&format!("/audit-logs/export?{query}")).await.refused(422, "validation_failed");
            assert_eq!(refused["details"][0]["field"], field, "{query}");
        }
        let reader = server.member_with(&acme, &["audit:read"]).await;
        reader.get("/audit-logs/export?format=csv").await.refused(403, "permission_denied");
    }
}
