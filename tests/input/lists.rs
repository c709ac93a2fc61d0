use serde_json::{Value, json};

use crate::support::{Server, Tenant};

/// Some rows in every list.
async fn filled(server: &Server) -> Tenant {
    let acme = server.tenant("acme").await;
    for n in 0..4 {
        acme.owner.post("/roles", json!({ "name": format!("r{n}"), "permissions": [] })).await.is(201);
        server.member(&acme, "viewer").await;
    }
    acme
}

async fn cursor_of(tenant: &Tenant, list: &str) -> String {
    let reply = tenant.owner.get(list).await;
    reply.body["meta"]["nextCursor"].as_str().unwrap_or_else(|| panic!("{list}: {}", reply.text)).to_owned()
}

on_both_databases! {
    async fn a_cursor_is_good_for_the_list_it_came_from_only(server: Server) {
        let acme = filled(&server).await;
        let owner = &acme.owner;
        let lists = [
            "/users?limit=1", "/users?limit=1&sort=name", "/users?limit=1&sort=-name", "/users?limit=1&status=active",
            "/users?limit=1&q=o", "/roles?limit=1", "/audit-logs?limit=1", "/audit-logs?limit=1&action=role.*",
            "/audit-logs?limit=1&outcome=succeeded", "/audit-logs?limit=1&from=2020-01-01T00:00:00Z",
        ];
        for from in lists {
            let cursor = cursor_of(&acme, from).await;
            for to in lists {
                let reply = owner.get(&format!("{to}&cursor={cursor}")).await;
                if from == to {
                    assert_eq!(reply.is(200).as_array().map(Vec::len), Some(1), "{from}");
                } else {
                    reply.refused(400, "invalid_cursor");
                }
            }
            // A page may be of another size than the one before.
            let other = from.replace("limit=1", "limit=2");
            owner.get(&format!("{other}&cursor={cursor}")).await.is(200);
        }
    }

    async fn a_cursor_that_was_touched_is_refused(server: Server) {
        let acme = filled(&server).await;
        let cursor = cursor_of(&acme, "/users?limit=1").await;
        let mut touched: Vec<String> = (0..cursor.len())
            .map(|place| {
                let other = if cursor.as_bytes()[place] == b'A' { "B" } else { "A" };
                format!("{}{other}{}", &cursor[..place], &cursor[place + 1..])
            })
            .collect();
        touched.extend([String::new(), "AAAA".to_owned(), format!("{cursor}A"), format!("{cursor}="), cursor[..cursor.len() - 1].to_owned(), "A".repeat(5000)]);
        for cursor in touched {
            acme.owner.get(&format!("/users?limit=1&cursor={cursor}")).await.refused(400, "invalid_cursor");
        }
    }

    async fn a_list_that_grows_meanwhile_repeats_and_skips_nothing_that_was_there(server: Server) {
        let acme = filled(&server).await;
        let ids = |data: &Value| data.as_array().unwrap().iter().map(|r| r["id"].clone()).collect::<Vec<_>>();
        let whole = ids(&acme.owner.get("/roles?limit=100").await.is(200));
        let first = acme.owner.get("/roles?limit=3").await;
        let cursor = first.body["meta"]["nextCursor"].as_str().unwrap().to_owned();
        acme.owner.post("/roles", json!({ "name": "newer", "permissions": [] })).await.is(201);
        acme.owner.delete(&format!("/roles/{}", whole[2].as_str().unwrap())).await.is(204);
        let rest = acme.owner.get(&format!("/roles?limit=100&cursor={cursor}")).await.is(200);
        assert_eq!([ids(&first.is(200)), ids(&rest)].concat(), whole);
    }

    async fn query_parameters_are_known_and_given_once(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for list in ["/users", "/roles", "/audit-logs"] {
            for (query, field, code) in [("limit=1&limit=2", "limit", "duplicate"), ("Limit=1", "Limit", "unknown"), ("page=2", "page", "unknown"), ("limit=1&x", "x", "unknown")] {
                let error = owner.get(&format!("{list}?{query}")).await.refused(422, "validation_failed");
                assert_eq!((&error["details"][0]["field"], &error["details"][0]["code"]), (&json!(field), &json!(code)), "{list}?{query}");
            }
        }
        for query in ["", "?scope", "?scope=", "?scope=mine", "?scope=all&scope=all", "?scope=others&x=1"] {
            owner.delete(&format!("/auth/sessions{query}")).await.refused(422, "validation_failed");
        }
        owner.post("/auth/logout?siblings=yes", json!({})).await.refused(422, "validation_failed");
        owner.get("/auth/me").await.is(200);
    }
}
