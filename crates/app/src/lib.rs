//! The application: it reads the configuration, puts the adapters behind the domain's ports, and speaks HTTP.
//!
//! `main` and the tests call the same [`Application::build`].

mod admin;
mod answer;
mod app;
mod application;
mod authority;
mod cached;
mod changes;
mod clean_up;
pub mod cli;
mod committed;
pub mod config;
mod doctor;
mod failure;
mod health;
mod healthcheck;
pub mod http;
mod idempotency;
mod issuer;
mod keys;
mod limits;
pub mod logging;
mod mail;
mod monitoring;
mod refusals;
mod retention;
mod schema;
mod sealing;
mod start_error;
mod transactions;
mod usage;
pub mod vocabulary;
mod watchdog;
mod worker;

pub use admin::{AuditAnswer, run_admin, run_audit, run_jobs};
pub use answer::Answer;
pub use app::App;
pub use application::{Application, run_worker};
pub use doctor::run_doctor;
pub use failure::Failure;
pub use healthcheck::{HealthcheckError, readiness_url, run_healthcheck};
pub use monitoring::{METRICS, Metric, MetricKind, metrics_markdown};
pub use sealing::Sealed;
pub use start_error::StartError;
