use proptest::{
    strategy::{Strategy, ValueTree},
    string::string_regex,
    test_runner::TestRunner,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::support::{
    Fixture, Server, Tenant,
    routes::{Route, UNKNOWN_ID, routes},
};

/// Creates some rows in every list.
async fn filled(server: &Server) -> Tenant {
    let acme = server.tenant("acme").await;
    for n in 0..4 {
        acme.owner.post("/roles", json!({ "name": format!("r{n}"), "permissions": [] })).await.is(201);
        server.member(&acme, "viewer").await;
    }
    acme
}

/// Creates at least two rows in each list of the API: those of the fixtures, and a second one where a fixture creates one.
async fn filled_everywhere(server: &Server) -> Tenant {
    let acme = Fixture::of(server, "acme").await.tenant;
    server.audit(&["seal"]).whole();
    acme.owner.upload("second.csv", "text/csv", b"name\nAda\n").await.is(201);
    // An invitation is also a job.
    server.invite(&acme, "second@guest.example", "viewer").await;
    server.audit(&["seal"]).whole();
    acme
}

/// Returns the lists of the document: operations with a cursor.
fn lists() -> Vec<&'static Route> {
    let takes_cursor = |route: &&Route| {
        let parameters = route.shape["parameters"].as_array();
        parameters.is_some_and(|list| list.iter().any(|parameter| parameter["name"] == "cursor"))
    };
    routes().iter().filter(takes_cursor).collect()
}

/// Returns queries that differ in one parameter: none, and two values of each documented parameter.
fn queries_of(list: &Route, runner: &mut TestRunner) -> Vec<String> {
    let mut queries = vec![String::new()];
    for parameter in list.shape["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        if parameter["in"] == "query" && !["limit", "cursor"].contains(&name) {
            // Other words than actions are refused.
            let values = match name {
                "action" => ["role.*", "user.registered"].map(str::to_owned).into(),
                _ => values_of(&parameter["schema"], runner),
            };
            queries.extend(values.into_iter().map(|value| format!("&{name}={value}")));
        }
    }
    queries
}

/// Returns two values that match the schema of a parameter.
fn values_of(schema: &Value, runner: &mut TestRunner) -> BTreeSet<String> {
    let texts = |texts: [&str; 2]| texts.map(str::to_owned).into();
    match (schema["format"].as_str(), schema["pattern"].as_str()) {
        (Some("uuid"), _) => texts([UNKNOWN_ID, "0192f0c1-2345-7abc-8def-0123456789ac"]),
        (Some("date-time"), _) => texts(["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"]),
        (_, pattern) => {
            let pattern = pattern.map_or("[a-z]{1,8}", |pattern| pattern.trim_start_matches('^').trim_end_matches('$'));
            let fitting = string_regex(pattern).unwrap();
            let mut values = BTreeSet::new();
            while values.len() < 2 {
                values.insert(fitting.new_tree(runner).unwrap().current());
            }
            values
        }
    }
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
            // A page may have another size than the one before.
            let other = from.replace("limit=1", "limit=2");
            owner.get(&format!("{other}&cursor={cursor}")).await.is(200);
        }
    }

    async fn in_every_list_another_value_of_any_parameter_makes_a_cursor_invalid(server: Server) {
        let acme = filled_everywhere(&server).await;
        let runner = &mut TestRunner::deterministic();
        for list in lists() {
            let (path, queries) = (list.path(&[]), queries_of(list, runner));
            for from in &queries {
                let first = acme.owner.get(&format!("{path}?limit=1{from}")).await;
                let cursor = first.body["meta"]["nextCursor"].as_str().map(str::to_owned);
                first.is(200);
                let Some(cursor) = cursor else {
                    assert!(!from.is_empty(), "{path} has fewer than two rows");
                    continue;
                };
                for to in &queries {
                    let reply = acme.owner.get(&format!("{path}?limit=1{to}&cursor={cursor}")).await;
                    if from == to {
                        reply.is(200);
                    } else {
                        reply.refused(400, "invalid_cursor");
                    }
                }
            }
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
