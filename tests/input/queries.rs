use reqwest::Method;
use serde_json::json;

use crate::support::{
    Fixture,
    routes::{Route, routes},
};

on_both_databases! {
    async fn a_parameter_that_a_route_does_not_take_is_refused_and_nothing_is_done(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let owner = &acme.tenant.owner;
        let before = server.sql.dump().await;
        let error = owner.post("/jobs/cleanup?dryRun=true", json!({})).await.refused(422, "validation_failed");
        assert_eq!((&error["details"][0]["field"], &error["details"][0]["code"]), (&json!("dryRun"), &json!("unknown")));
        let is_strict = |route: &&Route| route.template.starts_with("/api/v1/") && route.id != "download_by_link";
        for route in routes().iter().filter(is_strict) {
            let path = route.path(&acme.ids_for(route));
            let separator = if path.contains('?') { '&' } else { '?' };
            let reply = route.ask(owner, &format!("{path}{separator}zzz=1"), acme.body_for(route), &[]).await;
            let error = reply.refused(422, "validation_failed");
            assert_eq!(error["details"], json!([{ "field": "zzz", "code": "unknown", "message": "This field does not exist." }]), "{}", route.id);
        }
        assert_eq!(server.sql.dump().await, before);
        // The caller comes first.
        server.client().post("/jobs/cleanup?dryRun=true", json!({})).await.refused(401, "unauthenticated");
        // No parameters in other words.
        owner.get("/tenant?").await.is(200);
        owner.get("/tenant?&").await.is(200);
        let many = format!("/tenant?{}", "a&".repeat(5_000));
        let error = owner.get(&many).await.refused(422, "validation_failed");
        assert_eq!(error["details"].as_array().map(Vec::len), Some(1));
    }

    async fn links_and_documents_are_found_with_any_query(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let link = format!("/files/signed/{}", acme.id_for("download_by_link"));
        let documents = ["//livez", "//readyz", "//health", "//openapi.json", "//docs/", "//.well-known/jwks.json", "//links/reset"];
        for path in documents.into_iter().chain([link.as_str()]) {
            for method in [Method::GET, Method::HEAD] {
                let reply = server.client().send(method, &format!("{path}?utm_source=mail"), None, &[]).await;
                assert_eq!(reply.status, 200, "{path}: {}", reply.text);
            }
        }
    }
}
