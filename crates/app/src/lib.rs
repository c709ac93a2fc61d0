//! The application: reads the configuration, connects the adapters to the domain's ports, and serves HTTP.
//!
//! `main` and the tests call the same [`Application::build`].

mod admin;
mod application;
pub mod cli;
mod composition;
pub mod config;
mod doctor;
mod health;
mod healthcheck;
mod keys;
pub mod logging;
mod mail;
mod monitoring;
mod schema;
mod start_error;
pub mod vocabulary;
mod watchdog;
mod worker;

pub use admin::{AdminError, AuditAnswer, run_admin, run_audit, run_jobs};
pub use application::{Application, run_worker};
pub use composition::Composition;
pub use doctor::run_doctor;
pub use healthcheck::{HealthcheckError, readiness_url, run_healthcheck};
pub use monitoring::{METRICS, Metric, MetricKind, metrics_markdown};
pub use start_error::StartError;
