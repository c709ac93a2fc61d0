use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{Fixture, Member, Reply, Wire, routes::routes};

const MIB: usize = 1 << 20;

/// Sends a body unchanged.
async fn send(
    member: &Member,
    method: Method,
    path: &str,
    content_type: &str,
    body: impl Into<reqwest::Body>,
) -> Reply {
    let request = member.raw(method.clone(), path).header("content-type", content_type).body(body);
    member.finish(request, &method, &format!("/api/v1{path}")).await
}

on_both_databases! {
    async fn in2_deep_bodies_are_refused_and_harm_nothing(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let owner = &acme.tenant.owner;
        let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
        let nested = [deep("[", "]"), deep("{\"a\":", "}").replace(":}", ":1}"), "[".repeat(100_000)];
        for route in routes().iter().filter(|route| route.body_schema().is_some()) {
            let field = route.body_schema().unwrap()["properties"].as_object().unwrap().keys().next().unwrap().clone();
            for value in &nested {
                for body in [value.clone(), format!("{{\"{field}\":{value}}}"), format!("{{\"zzz\":{value}}}")] {
                    let reply = send(owner, route.method.clone(), &route.path(&acme.ids_for(route)), "application/json", body).await;
                    assert!([400, 422].contains(&reply.status.as_u16()), "{}: {}", route.id, reply.text);
                }
            }
        }
        owner.get("/auth/me").await.is(200);
    }

    async fn in2_a_body_of_a_mebibyte_is_read_and_one_byte_more_is_not(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let body = |bytes: usize| {
            let text = "{\"name\":\"big\",\"permissions\":[]}";
            format!("{text}{}", " ".repeat(bytes - text.len()))
        };
        send(&owner, Method::POST, "/roles", "application/json", body(MIB)).await.is(201);
        let token = format!("Authorization: Bearer {}", owner.access_token.as_deref().unwrap());
        let known = ["Content-Type: application/json", &token, "Content-Length: 1048577"];
        let heard = Wire::post(&server, "/api/v1/roles", &known, b"").await.answer_and_end(Duration::from_secs(5)).await;
        assert_eq!((heard.status, &heard.body["error"]["code"]), (413, &json!("payload_too_large")));
        let huge = ["Content-Type: application/json", &token, "Content-Length: 99999999999999"];
        let heard = Wire::post(&server, "/api/v1/roles", &huge, b"").await.answer_and_end(Duration::from_secs(5)).await;
        assert_eq!(heard.status, 413);

        let chunked = ["Content-Type: application/json", &token, "Transfer-Encoding: chunked"];
        let chunk = format!("{:x}\r\n{}\r\n", MIB + 1, body(MIB + 1));
        let heard = Wire::post(&server, "/api/v1/roles", &chunked, chunk.as_bytes()).await.answer_and_end(Duration::from_secs(5)).await;
        assert_eq!((heard.status, &heard.body["error"]["code"]), (413, &json!("payload_too_large")));
        assert_eq!(server.sql.number("SELECT count(*) FROM roles WHERE name = 'big'").await, 1);
    }

    async fn in2_lists_inside_bodies_have_an_end(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let owner = &acme.tenant.owner;
        let names: Vec<&str> = std::iter::repeat_n("users:read", 65).collect();
        let ids: Vec<&str> = std::iter::repeat_n(acme.id_for("get_role"), 51).collect();
        let too_many: [(Method, String, Value, &str); 4] = [
            (Method::POST, "/roles".to_owned(), json!({ "name": "x", "permissions": names }), "permissions"),
            (Method::PATCH, format!("/roles/{}", acme.id_for("get_role")), json!({ "permissions": names }), "permissions"),
            (Method::POST, "/permissions/check".to_owned(), json!({ "permissions": names }), "permissions"),
            (Method::PUT, format!("/users/{}/roles", acme.id_for("get_user")), json!({ "roleIds": ids }), "roleIds"),
        ];
        for (method, path, body, field) in too_many {
            let error = owner.send(method, &path, Some(body), &[]).await.refused(422, "validation_failed");
            assert_eq!((&error["details"][0]["field"], &error["details"][0]["code"]), (&json!(field), &json!("length")), "{path}");
        }
        owner.post("/roles", json!({ "name": "x", "permissions": names[1..] })).await.is(201);
        let one_less = json!({ "roleIds": ids[1..] });
        owner.put(&format!("/users/{}/roles", acme.id_for("get_user")), one_less).await.is(200);
        owner.post("/permissions/check", json!({ "permissions": [] })).await.refused(422, "validation_failed");
    }

    async fn in2_of_many_mistakes_a_hundred_are_reported(server: Server) {
        const QUICK: Duration = Duration::from_secs(5);
        let owner = server.tenant("acme").await.owner;
        let names: Vec<String> = (0..60_000).map(|number| format!("x{number}")).collect();
        for (path, body) in [
            ("/roles", json!({ "name": "x", "permissions": names })),
            ("/jobs/cleanup", json!({ "targets": names })),
            ("/permissions/check", json!({ "permissions": names })),
        ] {
            let began = std::time::Instant::now();
            let error = owner.post(path, body).await.refused(422, "validation_failed");
            assert!(error["details"].as_array().unwrap().len() <= 100, "{path}");
            assert!(began.elapsed() < QUICK, "{path}: {:?}", began.elapsed());
        }
    }

    async fn in2_compressed_bodies_are_not_taken(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for encoding in ["gzip", "br", "deflate", "zstd", "GZIP", "identity, gzip", "x"] {
            let request = owner.raw(Method::POST, "/roles").header("content-type", "application/json");
            let request = request.header("content-encoding", encoding).body("{\"name\":\"x\",\"permissions\":[]}");
            let reply = owner.finish(request, &Method::POST, "/api/v1/roles").await;
            reply.refused(415, "unsupported_media_type");
        }
        let request = owner.raw(Method::POST, "/roles").header("content-type", "application/json");
        let request = request.header("content-encoding", "identity").body("{\"name\":\"x\",\"permissions\":[]}");
        owner.finish(request, &Method::POST, "/api/v1/roles").await.is(201);
    }

    async fn bodies_are_json_by_name_and_by_nature(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let good = "{\"name\":\"x\",\"permissions\":[]}";
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data", "application/xml", "json", ""] {
            send(&owner, Method::POST, "/roles", kind, good).await.refused(415, "unsupported_media_type");
        }
        for bad in [
            "", "{", "}", "{}{}", "{\"name\":\"x\"", "{'name':'x'}", "{name:\"x\"}", "{\"name\":\"x\",}", "// c\n{}", "\u{feff}", "\u{feff}\u{feff}{}", " \u{feff}{}", "nul",
            "{\"name\":\"\\ud800\",\"permissions\":[]}", "{\"name\":\"\\udc00\\ud800\",\"permissions\":[]}", "{\"name\":\"a\nb\",\"permissions\":[]}",
            "{\"name\":\"x\",\"permissions\":[]} x",
        ] {
            send(&owner, Method::POST, "/roles", "application/json", bad).await.refused(400, "malformed_body");
        }
        for bytes in [&b"{\"name\":\"\xff\",\"permissions\":[]}"[..], b"\xff\xfe{\x00}\x00", b"{\"name\":\"\xed\xa0\x80\",\"permissions\":[]}"] {
            send(&owner, Method::POST, "/roles", "application/json", bytes).await.refused(400, "malformed_body");
        }
        for kind in ["application/json; charset=utf-8", "Application/JSON", "application/json;x=y"] {
            send(&owner, Method::POST, "/roles", kind, good.replace('x', kind)).await.is(201);
        }
        // Windows programs write a byte order mark before JSON.
        let role = send(&owner, Method::POST, "/roles", "application/json", format!("\u{feff}{good}")).await.is(201);
        assert_eq!(role["name"], "x");
    }

    async fn a_body_is_an_object(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        for route in routes().iter().filter(|route| route.body_schema().is_some()) {
            for body in ["null", "[]", "[[]]", "\"text\"", "1", "true", "[\"spy\",\"\",[\"users:read\"]]", "[\"active\"]", "[null]"] {
                let path = route.path(&acme.ids_for(route));
                let reply = send(&acme.tenant.owner, route.method.clone(), &path, "application/json", body).await;
                let error = reply.refused(422, "validation_failed");
                assert_eq!(error["details"][0]["code"], "invalid_type", "{} took {body}", route.id);
            }
        }
    }
}
