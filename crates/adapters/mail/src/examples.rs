//! Emails to test templates with: every template with each link that it may carry and each combination of its examples.

use tenantry_mails::{Email, EmailPayload, EmailTemplate, TemplateField};

/// Markup that is part of every text of a payload. A page must not contain it unescaped.
pub(crate) const MARKUP: &str = "<example>";
/// The address of every link.
pub(crate) const LINK: &str = "https://app.example.com/link#token=EXAMPLE";
/// The end of every link, which no escaping changes.
pub(crate) const TOKEN: &str = "EXAMPLE";
/// The name of the product.
pub(crate) const PRODUCT: &str = "Product <example>";
/// How long every link is valid, in seconds.
const LINK_SECONDS: u64 = 30 * 60;

/// Returns the emails of one template.
pub(crate) fn examples(template: &EmailTemplate) -> Vec<Email> {
    let mut emails = Vec::new();
    for link in template.links {
        for payload in payloads(template.fields) {
            emails.push(Email {
                to: "ada@example.com".to_owned(),
                link: link.map(str::to_owned),
                link_seconds: link.map(|_| LINK_SECONDS),
                template: template.name.to_owned(),
                payload,
            });
        }
    }
    emails
}

/// Returns every combination of the examples of these fields.
fn payloads(fields: &[TemplateField]) -> Vec<EmailPayload> {
    let mut payloads = vec![EmailPayload::default()];
    for field in fields {
        let mut more = Vec::new();
        for payload in &payloads {
            for example in field.examples {
                more.push(payload.clone().with(field.name, example.map(|text| marked(field, text)).into()));
            }
        }
        payloads = more;
    }
    payloads
}

/// Returns the example with markup. An empty text stays empty, and a time would no longer be one with markup.
fn marked(field: &TemplateField, text: &str) -> String {
    if text.is_empty() || field.name == "at" { text.to_owned() } else { format!("{text} {MARKUP}") }
}
