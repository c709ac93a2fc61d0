//! Tests of names that a newer program wrote into the database and that this one does not declare.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use tenantry_kernel::{Action, Actor, Event, Journal, RequestId, Target, TargetKind, commitment_to};
use tenantry_store::{Scope, SystemReason};

use super::seals::evidence;
use crate::support::{Server, Sql, Tenant, pages::joined};

/// Writes an event of each action into the tenant's log, as a newer program would.
async fn write_as_a_newer_program(server: &Server, tenant: &Tenant) {
    let context = &server.app.context;
    let mut unit = server.app.store.begin(Scope::System(SystemReason::Maintenance)).await.unwrap();
    let actor = Actor::system(RequestId::new(context));
    for (action, kind) in [("robot.flew", "robot"), ("role.cloned", "role")] {
        let target = Target { kind: TargetKind::declared(kind), id: context.uuid_v7() };
        let event = Event::new(context, &actor, Action::declared(action))
            .within(tenant.id.parse().ok())
            .target(target, Some("Marvin"))
            .set("height", 7);
        unit.append_event(event).await.unwrap();
    }
    unit.commit().await.unwrap();
    server.open_journal().await;
    server.sql.execute("UPDATE journal SET actor_type = 'robot' WHERE action IN ('robot.flew', 'role.cloned')").await;
}

fn names(entry: &Value) -> [&str; 3] {
    [&entry["action"], &entry["target"]["type"], &entry["actor"]["type"]].map(|name| name.as_str().unwrap())
}

on_both_databases! {
    async fn entries_of_a_newer_program_are_listed_filtered_and_exported(server: Server) {
        let acme = server.tenant("acme").await;
        acme.owner.post("/roles", json!({ "name": "support", "permissions": [] })).await.is(201);
        write_as_a_newer_program(&server, &acme).await;
        // Entries of the same millisecond have no defined order.
        let shown = |entries: &[Value]| entries.iter().map(|e| names(e).join(" ")).collect::<BTreeSet<_>>();
        let expected = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let (flown, cloned) = ("robot.flew robot robot", "role.cloned role robot");

        let whole = joined(&acme.owner, "/audit-logs", 3).await;
        assert_eq!(shown(&whole[..2]), expected(&[cloned, flown]));
        let robot = whole.iter().find(|entry| entry["action"] == "robot.flew").unwrap();
        assert_eq!(robot["target"]["name"], "Marvin");
        let one = acme.owner.get(&format!("/audit-logs/{}", robot["id"].as_str().unwrap())).await.is(200);
        assert_eq!(one, *robot);

        let of_roles = joined(&acme.owner, "/audit-logs?action=role.*", 1).await;
        assert_eq!(shown(&of_roles), expected(&[cloned, "role.created role user"]));
        let id = robot["target"]["id"].as_str().unwrap();
        assert_eq!(joined(&acme.owner, &format!("/audit-logs?targetId={id}"), 3).await, std::slice::from_ref(robot));
        for filter in ["targetType=robot", "action=robot.flew", "action=robot.*", "action=role.cloned"] {
            let refused = acme.owner.get(&format!("/audit-logs?{filter}")).await.refused(422, "validation_failed");
            let name = filter.split('=').next().unwrap();
            assert_eq!(refused["details"][0]["field"], name, "the documented names are those that are declared");
        }

        let lines = acme.owner.get(&format!("/audit-logs/export?format=ndjson&targetId={id}")).await.text;
        assert_eq!(serde_json::from_str::<Value>(lines.trim()).unwrap(), *robot);
        let cloned = whole.iter().find(|entry| entry["action"] == "role.cloned").unwrap();
        let id = cloned["target"]["id"].as_str().unwrap();
        let table = acme.owner.get(&format!("/audit-logs/export?format=csv&targetId={id}")).await.text;
        let row = csv::Reader::from_reader(table.as_bytes()).into_records().next().unwrap().unwrap();
        assert_eq!([&row[2], &row[4], &row[7], &row[9]], ["role.cloned", "robot", "role", "Marvin"]);
    }

    async fn entries_of_a_newer_program_are_sealed_and_verified(server: Server) {
        let acme = server.tenant("acme").await;
        write_as_a_newer_program(&server, &acme).await;
        server.audit(&["seal"]).whole();
        let said = server.audit(&["verify", "--tenant", "acme"]).whole();
        assert!(said.contains("whole") && !said.contains("not yet sealed"), "{said}");

        let lines = evidence(&acme).await;
        let of_robots = lines.iter().filter(|line| line["entry"]["actorType"] == "robot").count();
        assert_eq!(of_robots, 2);
        let file = server.place.folder.path().join("acme.ndjson");
        std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        server.audit(&["verify", "--export", file.to_str().unwrap()]).whole();
    }

    async fn entries_of_a_newer_form_wait_for_a_newer_program_to_seal_them(server: Server) {
        let acme = server.tenant("acme").await;
        write_as_a_newer_program(&server, &acme).await;
        server.sql.execute("UPDATE journal SET version = 2 WHERE action = 'robot.flew'").await;
        let waiting = "SELECT count(*) FROM journal_unsealed";
        server.audit(&["seal"]).whole();
        assert_eq!(server.sql.number(waiting).await, 1);
        let said = server.audit(&["verify", "--tenant", "acme"]).whole();
        assert!(said.contains("1 not yet sealed, 1 of them made by a newer program"), "{said}");
        // Later entries are sealed before it.
        acme.owner.post("/roles", json!({ "name": "support", "permissions": [] })).await.is(201);
        server.audit(&["seal"]).whole();
        assert!(server.audit(&["seal"]).whole().contains("no entries to seal"));
        assert_eq!(server.sql.number(waiting).await, 1);
        server.audit(&["verify", "--tenant", "acme"]).whole();

        // A newer program knows the form of the entry.
        server.sql.execute("UPDATE journal SET version = 1 WHERE action = 'robot.flew'").await;
        server.audit(&["seal"]).whole();
        let said = server.audit(&["verify", "--tenant", "acme"]).whole();
        assert!(said.contains("in 3 segments") && !said.contains("not yet sealed"), "{said}");
        server.sql.execute("UPDATE journal SET version = 2 WHERE action = 'robot.flew'").await;
        let said = server.audit(&["verify", "--tenant", "acme"]);
        assert!(said.code == 2 && said.text.contains("1 more made by a newer program"), "{}: {}", said.code, said.text);
    }

    async fn personal_parts_of_a_newer_program_are_shown_and_fit_their_seals(server: Server) {
        let acme = server.tenant("acme").await;
        let salt = [7; 32];
        let part = r#"{"actorName":"Marvin","shoeSize":38}"#;
        write_as_a_newer_program(&server, &acme).await;
        let bytes = |bytes: &[u8]| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            match server.sql {
                Sql::Sqlite(_) => format!("x'{hex}'"),
                Sql::Postgres(_) => format!("'\\x{hex}'"),
            }
        };
        let (commitment, salt) = (bytes(&commitment_to(part, &salt)), bytes(&salt));
        let robot = "SELECT id FROM journal WHERE action = 'robot.flew'";
        server.sql.execute(&format!("UPDATE journal_parts SET part = '{part}', salt = {salt} WHERE event_id IN ({robot})")).await;
        server.sql.execute(&format!("UPDATE journal SET commitment = {commitment} WHERE action = 'robot.flew'")).await;
        let entries = acme.owner.get("/audit-logs").await.is(200);
        let robot = entries.as_array().unwrap().iter().find(|entry| entry["action"] == "robot.flew").unwrap();
        assert_eq!(robot["actor"]["name"], "Marvin");
        server.audit(&["seal"]).whole();
        server.audit(&["verify", "--tenant", "acme"]).whole();
        let lines: String = evidence(&acme).await.iter().map(|line| format!("{line}\n")).collect();
        assert!(lines.contains("shoeSize"), "the whole part is exported");
        let file = server.place.folder.path().join("acme.ndjson");
        std::fs::write(&file, lines).unwrap();
        server.audit(&["verify", "--export", file.to_str().unwrap()]).whole();
    }
}
