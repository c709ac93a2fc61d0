use serde_json::Value;
use std::collections::BTreeSet;
use tenantry_app::{
    config::{default_toml, env_example, reference_markdown},
    vocabulary::{actions, error_codes, target_kinds},
};
use tenantry_http::error_codes_markdown;

use crate::support::{
    routes::{Route, document, resolved, routes},
    snapshot::{assert_file_is, assert_page_holds},
};

#[test]
fn the_document_in_the_repository_is_made_from_the_code() {
    let document = tenantry_http::document(&error_codes(), &actions(), &target_kinds());
    assert_file_is("docs/openapi.json", &format!("{}\n", serde_json::to_string_pretty(&document).unwrap()));
}

#[test]
fn the_page_of_error_codes_is_made_from_the_code() {
    assert_page_holds("docs/error-codes.md", &error_codes_markdown(&error_codes()));
}

#[test]
fn the_page_of_the_configuration_is_made_from_the_code() {
    assert_page_holds("docs/configuration.md", &reference_markdown());
}

#[test]
fn the_commented_defaults_and_the_example_of_the_environment_are_made_from_the_code() {
    assert_file_is("config/default.toml", &default_toml());
    assert_file_is(".env.example", &env_example());
}

on_both_databases! {
    async fn the_document_is_served_to_everybody(server: Server) {
        let reply = server.client().get("//openapi.json").await;
        assert_eq!(reply.status, 200);
        assert_eq!(&reply.body, document());
        let page = server.client().get("//docs/").await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains("swagger-ui"));
        assert_eq!(server.client().get("//docs").await.header("location"), "/docs/");
    }
}

#[test]
fn every_operation_is_explained() {
    let tags: BTreeSet<&str> =
        document()["tags"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    let mut summaries = BTreeSet::new();
    for route in routes() {
        let text = |name: &str| route.shape[name].as_str().unwrap_or_default();
        let summary = text("summary");
        let is_title = summary.starts_with(|c: char| c.is_ascii_uppercase()) && !summary.ends_with('.');
        assert!(is_title && summary.split_whitespace().count() <= 14, "{}: {summary:?}", route.id);
        assert!(summaries.insert(summary), "two operations have the summary {summary:?}");
        assert!(
            route.shape["tags"]
                .as_array()
                .is_some_and(|own| own.iter().all(|tag| tags.contains(tag.as_str().unwrap())))
        );
        let security = &route.shape["security"];
        assert_eq!(security.as_array().map(Vec::is_empty), Some(route.is_public()), "{}", route.id);
        assert!(route.shape["x-events"].is_array(), "{}", route.id);
    }
}

#[test]
fn every_answer_has_a_description_headers_and_a_shape() {
    for route in routes() {
        let responses = route.shape["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{} never succeeds", route.id);
        for (status, response) in responses {
            let place = format!("{} {status}", route.id);
            assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{place}");
            assert!(response["headers"]["X-Request-Id"].is_object(), "{place}");
            let content = response["content"].as_object();
            match status.as_str() {
                "204" => assert!(content.is_none(), "{place}"),
                "201" => assert!(response["headers"]["Location"].is_object(), "{place}"),
                "401" => assert!(response["headers"]["WWW-Authenticate"].is_object(), "{place}"),
                "429" => assert!(response["headers"]["Retry-After"].is_object(), "{place}"),
                _ => {}
            }
            for media in content.into_iter().flat_map(|content| content.values()) {
                assert!(media["schema"].is_object(), "{place} has no schema");
            }
        }
    }
}

#[test]
fn every_part_of_a_request_is_bounded_and_nothing_else_is_taken() {
    for route in routes() {
        for parameter in route.shape["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let place = format!("{} {name}", route.id);
            let is_described = parameter["description"].is_string() || parameter["in"] == "path";
            assert!(is_described, "{place} is not described");
            if parameter["in"] != "header" {
                assert_bounded(&parameter["schema"], &place);
            }
        }
        let Some(schema) = route.body_schema() else { continue };
        assert_eq!(schema["additionalProperties"], false, "{}", route.id);
        assert!(schema["example"].is_object(), "{} has no example", route.id);
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert_bounded(property, &format!("{} {name}", route.id));
        }
    }
}

/// Checks that texts have a maximum length, a format or a pattern, and that numbers and lists have bounds.
fn assert_bounded(schema: &'static Value, place: &str) {
    let schema = resolved(schema);
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        _ => panic!("{place} is of no type: {schema}"),
    };
    let has = |name: &str| schema.get(name).is_some();
    match kinds[..] {
        ["string"] => assert!(has("maxLength") || has("format") || has("pattern"), "{place} has no bound: {schema}"),
        ["integer"] => assert!(has("minimum") && has("maximum"), "{place} has no ends: {schema}"),
        ["boolean"] => {}
        ["array"] => {
            assert!(has("maxItems"), "{place} has no end: {schema}");
            assert_bounded(&schema["items"], place);
        }
        _ => panic!("{place} is of an unknown type: {schema}"),
    }
}

/// Every media type that the bytes of a file can have. Generated clients would parse `application/json`.
const FILE_TYPES: &[&str] = &[
    "application/*",
    "application/octet-stream",
    "application/pdf",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/csv",
];

#[test]
fn bytes_are_described_as_bytes_and_text_as_text() {
    let binary = serde_json::json!({ "type": "string", "format": "binary" });
    let mut files = BTreeSet::new();
    for route in routes() {
        for (status, response) in route.shape["responses"].as_object().unwrap() {
            let place = format!("{} {status}", route.id);
            let Some(content) = response["content"].as_object() else { continue };
            let is_file = content.contains_key("application/octet-stream");
            for (media_type, media) in content {
                let schema = resolved(&media["schema"]);
                if is_file {
                    assert_eq!(*schema, binary, "{place} {media_type}");
                } else if media_type != "application/json" {
                    assert_eq!(schema["type"], "string", "{place} {media_type}");
                }
            }
            if is_file {
                assert_eq!(content.keys().collect::<Vec<_>>(), FILE_TYPES, "{place}");
                for header in ["Content-Disposition", "Accept-Ranges"] {
                    assert!(response["headers"][header].is_object(), "{place} {header}");
                }
                assert_eq!(response["headers"]["Content-Range"].is_object(), status == "206", "{place}");
                files.insert(place);
            }
        }
        for (media_type, media) in route.shape["requestBody"]["content"].as_object().into_iter().flatten() {
            if media_type != "application/json" {
                let file = &resolved(&media["schema"])["properties"]["file"];
                assert_eq!(
                    (&file["type"], media_type.as_str()),
                    (&"string".into(), "multipart/form-data"),
                    "{}",
                    route.id
                );
            }
        }
    }
    let places = ["download_by_link 200", "download_by_link 206", "download_file 200", "download_file 206"];
    assert_eq!(files, places.map(str::to_owned).into());
}

/// Lists that are short by their nature.
const WITHOUT_PAGES: &[&str] = &["job_stats", "list_permissions", "list_sessions", "list_tenants"];

#[test]
fn lists_are_paged_alike() {
    let is_list = |route: &&Route| {
        let data = route.response(200).map(|response| &response["content"]["application/json"]["schema"]);
        data.is_some_and(|schema| resolved(&resolved(schema)["properties"]["data"])["type"] == "array")
    };
    let paged: Vec<_> = routes().iter().filter(|r| r.documented_codes().contains("invalid_cursor")).collect();
    let lists = routes().iter().filter(is_list).map(|route| route.id);
    assert_eq!(
        paged.iter().map(|route| route.id).chain(WITHOUT_PAGES.iter().copied()).collect::<BTreeSet<_>>(),
        lists.collect::<BTreeSet<_>>()
    );
    assert!(paged.len() >= 7);
    for route in paged {
        let parameters = route.shape["parameters"].as_array().unwrap();
        let schema = |name: &str| &parameters.iter().find(|p| p["name"] == name).unwrap()["schema"];
        assert_eq!(
            (&schema("limit")["minimum"], &schema("limit")["maximum"], &schema("limit")["default"]),
            (&1.into(), &100.into(), &20.into())
        );
        assert!(schema("cursor")["maxLength"].is_u64());
        let data = resolved(&route.response(200).unwrap()["content"]["application/json"]["schema"]);
        assert_eq!(data["required"], serde_json::json!(["success", "data", "meta"]), "{}", route.id);
    }
}

#[test]
fn a_body_that_may_be_left_out_is_not_required() {
    for route in routes().iter().filter(|route| route.body_schema().is_some()) {
        let may_be_left_out = ["clean_up", "create_file_link", "logout", "refresh"].contains(&route.id);
        let is_required = route.shape["requestBody"]["required"] == true;
        assert_eq!(is_required, !may_be_left_out, "{}", route.id);
    }
}
