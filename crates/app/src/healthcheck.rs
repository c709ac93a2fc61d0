//! `tenantry healthcheck`: asks a running server, for container images that have no other program to do so.

use reqwest::{StatusCode, redirect::Policy};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use url::Url;

use crate::config::Config;

/// Shorter than what container engines give the program by default.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Why a server does not count as well.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// It answers that it is not.
    #[error("{url} answers {status}")]
    Unwell {
        /// What was asked.
        url: Url,
        /// Its status.
        status: StatusCode,
    },
    /// It gives no answer.
    #[error("{url} does not answer: see that it runs, and that this is its address")]
    Silent {
        /// What was asked.
        url: Url,
        /// Why.
        source: reqwest::Error,
    },
    /// The program cannot ask.
    #[error("no request can be made")]
    Client(#[source] reqwest::Error),
    /// `HOST` and `PORT` make no address.
    #[error("HOST and PORT make no address")]
    Address(#[from] url::ParseError),
}

/// Where the server of this configuration says whether it is ready.
pub fn readiness_url(config: &Config) -> Result<Url, HealthcheckError> {
    let bound = config.http.bind_address();
    let host = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(Url::parse(&format!("http://{}/readyz", SocketAddr::new(host, bound.port())))?)
}

/// Asks within 5 s, past any proxy, and returns the line that tells of success.
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
