use tenantry_app::{
    config::reference_markdown,
    http::{document, error_codes_markdown},
};

use crate::support::snapshot::{assert_file_is, assert_page_holds};

#[test]
fn the_document_in_the_repository_is_the_one_that_is_served() {
    assert_file_is("docs/openapi.json", &format!("{}\n", serde_json::to_string_pretty(document()).unwrap()));
}

#[test]
fn the_page_of_error_codes_is_made_from_the_code() {
    assert_page_holds("docs/error-codes.md", &error_codes_markdown());
}

#[test]
fn the_page_of_the_configuration_is_made_from_the_code() {
    assert_page_holds("docs/configuration.md", &reference_markdown());
}
