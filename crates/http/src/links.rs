//! `/links/{purpose}`: pages that emailed links open when the installation has no application of its own for them.
//! The token is in the fragment of the link, which browsers do not send. The page's script reads the token, asks the
//! user for the required input and calls the API.

use actix_web::{
    HttpResponse,
    body::MessageBody,
    http::header::{self, HeaderName, HeaderValue},
    web,
};
use tenantry_identity::LinkPurpose;
use tenantry_kernel::ErrorCode;

use crate::Failure;

/// Content security policy of the pages. A page loads only its script and its style sheet, and connects only to this
/// origin. It cannot submit a form that the script has not intercepted, because the form would carry a password.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// Adds the routes of the pages, their script and their style sheet.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/links/page.js").route(web::get().to(script)))
        .service(web::resource("/links/page.css").route(web::get().to(styles)))
        .service(web::resource("/links/{purpose}").route(web::get().to(page)));
}

/// Returns the page of a purpose. The handler neither looks up nor uses the token: mail scanners follow links too.
async fn page(purpose: web::Path<String>) -> Result<HttpResponse, Failure> {
    let purpose = LinkPurpose::from_name(&purpose).ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?;
    let Words { title, lead } = words(purpose);
    let page = include_str!("links/page.html");
    let page = page.replace("{purpose}", purpose.name()).replace("{title}", title).replace("{lead}", lead);
    Ok(answer("text/html; charset=utf-8", page))
}

async fn script() -> HttpResponse {
    answer("text/javascript; charset=utf-8", include_str!("links/page.js"))
}

async fn styles() -> HttpResponse {
    answer("text/css; charset=utf-8", include_str!("links/page.css"))
}

/// Title of a page, and the text above its form.
struct Words {
    title: &'static str,
    lead: &'static str,
}

fn words(purpose: LinkPurpose) -> Words {
    match purpose {
        LinkPurpose::Confirm => Words {
            title: "Confirm your registration",
            lead: "Enter the password that you chose when you registered. It proves that you have registered.",
        },
        LinkPurpose::Verify => Words {
            title: "Confirm your address",
            lead: "Enter the password of your account. It proves that the account is yours, in addition to the mailbox.",
        },
        LinkPurpose::Reset => Words {
            title: "Choose a new password",
            lead: "Your new password signs out every device that is signed in to your account.",
        },
        LinkPurpose::Invite => {
            Words { title: "Accept an invitation", lead: "If you do not want to join, close this page." }
        }
    }
}

fn answer(content_type: &'static str, body: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((ROBOTS, "noindex"))
        .content_type(content_type)
        .body(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{
        App,
        body::BoxBody,
        dev::ServiceResponse,
        http::StatusCode,
        test::{TestRequest, call_service, init_service, read_body},
    };
    use std::collections::HashSet;

    async fn answer_to(request: TestRequest) -> ServiceResponse<BoxBody> {
        let service = init_service(App::new().configure(routes)).await;
        call_service(&service, request.to_request()).await.map_into_boxed_body()
    }

    fn header<'a>(response: &'a ServiceResponse<BoxBody>, name: &str) -> &'a str {
        response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[actix_web::test]
    async fn every_purpose_has_a_page_of_its_own_with_nothing_inline() {
        let mut titles = HashSet::new();
        for purpose in LinkPurpose::ALL {
            let name = purpose.name();
            let response = answer_to(TestRequest::with_uri(&format!("/links/{name}"))).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
            let body = read_body(response).await;
            let page = std::str::from_utf8(&body).expect("UTF-8");
            let Words { title, lead } = words(purpose);
            let words = [format!("<title>{title}</title>"), format!("<h1>{title}</h1>"), format!("<p>{lead}</p>")];
            for part in words.into_iter().chain([format!("data-purpose=\"{name}\"")]) {
                assert!(page.contains(&part), "{part} is not in {page}");
            }
            for part in ["{", "<style", " style=", " onclick=", " onsubmit=", "javascript:", "://"] {
                assert!(!page.contains(part), "{part} is in {page}");
            }
            assert!(titles.insert(title), "{title}");
        }
    }

    #[actix_web::test]
    async fn the_pages_may_load_their_own_files_and_be_shown_nowhere_else() {
        for path in ["/links/reset", "/links/page.js", "/links/page.css"] {
            let response = answer_to(TestRequest::with_uri(path)).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(header(&response, "x-robots-tag"), "noindex", "{path}");
            assert_eq!(header(&response, "cache-control"), "no-cache", "{path}");
            let policy: HashSet<_> = header(&response, "content-security-policy").split("; ").collect();
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy:?}");
        }
    }

    #[actix_web::test]
    async fn there_are_no_other_pages_and_no_other_methods() {
        for path in ["/links/Confirm", "/links/confirm/", "/links/", "/links/page.html", "/links/%FF"] {
            let response = answer_to(TestRequest::with_uri(path)).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
        for path in ["/links/confirm", "/links/page.js", "/links/page.css"] {
            let response = answer_to(TestRequest::post().uri(path)).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(header(&response, "allow"), "GET", "{path}");
        }
    }
}
