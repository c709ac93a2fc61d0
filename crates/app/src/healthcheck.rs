//! `tenantry healthcheck`: checks a running server, for container images that have no other HTTP client.

use reqwest::{StatusCode, redirect::Policy};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use url::Url;

use crate::config::Config;

/// Time limit of the check, shorter than the default of container engines.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The reason why a server counts as unhealthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// The server responds with an error status.
    #[error("{url} answers {status}")]
    Unwell {
        /// The requested URL.
        url: Url,
        /// The status of the response.
        status: StatusCode,
    },
    /// The server does not respond.
    #[error("{url} does not answer: check that the server runs, and that this is its address")]
    Silent {
        /// The requested URL.
        url: Url,
        /// The cause.
        source: reqwest::Error,
    },
    /// The HTTP client cannot be created.
    #[error("no request can be sent")]
    Client(#[source] reqwest::Error),
    /// `HOST` and `PORT` make no address.
    #[error("HOST and PORT are no address")]
    Address(#[from] url::ParseError),
}

/// Returns the URL at which the server of this configuration reports whether it is ready.
pub fn readiness_url(config: &Config) -> Result<Url, HealthcheckError> {
    let bound = config.http.bind_address();
    let host = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(Url::parse(&format!("http://{}/readyz", SocketAddr::new(host, bound.port())))?)
}

/// Sends the request, bypassing any proxy, and waits at most 5 s. Returns the line that reports success.
pub async fn run_healthcheck(url: Url) -> Result<String, HealthcheckError> {
    // The URL is plain HTTP: reading the machine's certificates would take a tenth of a second.
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).tls_certs_only([]).timeout(TIME_LIMIT);
    let client = client.build().map_err(HealthcheckError::Client)?;
    match client.get(url.clone()).send().await {
        Ok(answer) if answer.status() == StatusCode::OK => Ok(format!("{url} answers 200")),
        Ok(answer) => Err(HealthcheckError::Unwell { url, status: answer.status() }),
        Err(source) => Err(HealthcheckError::Silent { url, source: source.without_url() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn a_server_on_every_address_is_asked_on_loopback() {
        let asked = |host: &str| {
            let settings = [("HOST", host), ("PORT", "8080"), ("TENANTRY_ENV", "development")];
            let config = Config::load(Sources::from_environment(settings)).expect("good");
            readiness_url(&config).expect("an address").to_string()
        };
        assert_eq!(asked("0.0.0.0"), "http://127.0.0.1:8080/readyz");
        assert_eq!(asked("::"), "http://[::1]:8080/readyz");
        assert_eq!(asked("127.0.0.2"), "http://127.0.0.2:8080/readyz");
    }
}
