use serde_json::{Value, json};

use crate::support::{Fixture, routes::routes};

/// Fields that a client might try to set.
const PROTECTED: [&str; 12] = [
    "id",
    "tenantId",
    "tenant_id",
    "plan",
    "role",
    "isAdmin",
    "emailVerified",
    "createdAt",
    "version",
    "system",
    "permissionsAll",
    "userId",
];

on_both_databases! {
    async fn te2_unknown_and_protected_fields_never_bind(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let before = server.sql.dump().await;
        let mut tried = 0;
        for route in routes() {
            let Some(mut body) = acme.body_for(route) else { continue };
            let path = route.path(&acme.ids_for(route));
            let fields = body.as_object_mut().unwrap().clone();
            for name in PROTECTED.into_iter().filter(|name| !fields.contains_key(*name)) {
                let mut fields = fields.clone();
                fields.insert(name.to_owned(), json!(true));
                let body = Some(Value::Object(fields));
                let reply = route.ask(&acme.tenant.owner, &path, body, &[]).await;
                let error = reply.refused(422, "validation_failed");
                let detail = &error["details"][0];
                assert_eq!((&detail["field"], &detail["code"]), (&json!(name), &json!("unknown")), "{}", route.id);
                assert_eq!(error["details"].as_array().map(Vec::len), Some(1), "{}", route.id);
                tried += 1;
            }
        }
        assert!(tried >= 11 * PROTECTED.len(), "{tried}");
        assert_eq!(server.sql.dump().await, before, "a refused body has changed something");
    }
}
