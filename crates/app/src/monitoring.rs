//! Metrics in Prometheus' text format, on an address of their own.

mod collect;
mod names;
mod process;
mod server;

pub use names::{METRICS, Metric, MetricKind, metrics_markdown};
pub(crate) use server::{MetricsServer, serve};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tenantry_kernel::Context;
use tenantry_service::AuthorityCache;
use tenantry_store::Store;

use crate::StartError;

/// The monitoring state of an application.
pub(crate) struct Monitoring {
    /// The configured address.
    wanted: SocketAddr,
    /// The address on which the metrics server listens, once it does.
    bound: OnceLock<SocketAddr>,
    recorder: PrometheusHandle,
}

impl Monitoring {
    pub(crate) fn new(wanted: SocketAddr) -> Result<Self, StartError> {
        let recorder = recorder()?;
        names::describe();
        names::begin();
        Ok(Self { wanted, bound: OnceLock::new(), recorder })
    }

    /// Returns the address on which metrics are served, once the server listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.bound.get().copied()
    }
}

/// The sources that metrics are read from at a scrape.
#[derive(Clone)]
pub(crate) struct MetricSources {
    pub(crate) store: Store,
    pub(crate) context: Context,
    pub(crate) authority: Arc<AuthorityCache>,
    /// The queues whose figures are shown.
    pub(crate) queues: &'static [&'static str],
}

/// Upper bounds of the histograms of requests, hashes and commands, in seconds.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the histograms of jobs, in seconds. Jobs may wait for hours.
const JOB_BUCKETS: [f64; 10] = [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0];

/// Returns the one recorder of this process, installing it if needed. Adapters record through the `metrics` facade,
/// which supports one recorder per process. Several applications in one process are therefore recorded together.
fn recorder() -> Result<PrometheusHandle, StartError> {
    static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(recorder) = &*installed {
        return Ok(recorder.clone());
    }
    let failed = |error: metrics_exporter_prometheus::BuildError| StartError::Recorder(error.to_string());
    let recorder = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Prefix("tenantry_job_".to_owned()), &JOB_BUCKETS))
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(failed)?;
    *installed = Some(recorder.clone());
    Ok(recorder)
}
