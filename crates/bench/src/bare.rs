//! The minimum cost of a request: a bare actix route that returns the bytes and headers of a file, or one that serves a
//! file.

use actix_files::NamedFile;
use actix_web::{
    App, HttpResponse, HttpServer,
    http::header::{HeaderName, HeaderValue},
    web,
};
use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The route, named like the one it is compared with.
pub(crate) const PATH: &str = "/api/v1/auth/me";
/// The route of [`serve_file`].
pub(crate) const FILE_PATH: &str = "/file";

#[derive(Clone)]
struct Answer {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// Writes a response for [`serve`], without the headers that actix sets itself.
pub(crate) fn write(file: &Path, headers: &hyper::HeaderMap, body: &[u8]) -> Result<()> {
    let by_actix = ["content-length", "date"];
    let headers = headers.iter().filter(|(name, _)| !by_actix.contains(&name.as_str()));
    let headers: Result<Vec<Value>> =
        headers.map(|(name, value)| Ok(json!([name.as_str(), value.to_str()?]))).collect();
    let answer = json!({ "headers": headers?, "body": std::str::from_utf8(body)? });
    Ok(fs::write(file, answer.to_string())?)
}

fn read(file: &Path) -> Result<Answer> {
    let answer: Value = serde_json::from_slice(&fs::read(file)?)?;
    let body = answer["body"].as_str().context("an answer has a body")?;
    let headers = answer["headers"].as_array().context("an answer has headers")?;
    let header = |pair: &Value| {
        let (name, value) = pair[0].as_str().zip(pair[1].as_str()).context("a header has a name and a value")?;
        Ok((name.parse()?, value.parse()?))
    };
    let headers: Result<_> = headers.iter().map(header).collect();
    Ok(Answer { headers: headers?, body: Bytes::copy_from_slice(body.as_bytes()) })
}

/// Serves the route on the port until the process is stopped.
pub(crate) fn serve(file: &Path, port: u16) -> Result<()> {
    let answer = read(file)?;
    actix_web::rt::System::new().block_on(async move {
        let app = move || App::new().app_data(web::Data::new(answer.clone())).route(PATH, web::get().to(route));
        Ok(HttpServer::new(app).bind(("127.0.0.1", port))?.run().await?)
    })
}

/// Serves one file with a bare route of actix-files.
pub(crate) fn serve_file(file: PathBuf, port: u16) -> Result<()> {
    actix_web::rt::System::new().block_on(async move {
        let app = move || {
            let file = file.clone();
            App::new().route(FILE_PATH, web::get().to(move || NamedFile::open_async(file.clone())))
        };
        Ok(HttpServer::new(app).bind(("127.0.0.1", port))?.run().await?)
    })
}

async fn route(answer: web::Data<Answer>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    for header in &answer.headers {
        response.insert_header(header.clone());
    }
    response.body(answer.body.clone())
}
