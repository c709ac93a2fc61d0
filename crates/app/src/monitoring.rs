//! Metrics in Prometheus' text form, on an address of their own. Without `METRICS_ADDR` nothing is recorded but what
//! requests took lately, for `/health`.

mod collect;
mod names;
mod process;
mod requests;
mod response_times;
mod server;

pub use names::{METRICS, Metric, MetricKind, metrics_markdown};
pub(crate) use requests::{HttpMetrics, RouteTimes};
pub(crate) use server::{MetricsServer, serve};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tenantry_kernel::World;
use tenantry_service::AuthorityCache;
use tenantry_store::Store;

use crate::StartError;

/// What an application keeps to be watched by.
pub(crate) struct Monitoring {
    /// Where to listen, as it was configured.
    wanted: SocketAddr,
    /// Where it listens, once it does.
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

    /// Where metrics are served, once they are.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.bound.get().copied()
    }
}

/// What metrics are read from when they are asked for.
#[derive(Clone)]
pub(crate) struct MetricSources {
    pub(crate) store: Store,
    pub(crate) world: World,
    pub(crate) authority: Arc<AuthorityCache>,
    /// The queues whose figures are shown.
    pub(crate) queues: &'static [&'static str],
}

/// Upper bounds of what requests, hashes and commands take, in seconds.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The same for jobs, which may wait for hours.
const JOB_BUCKETS: [f64; 10] = [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0];

/// The one recorder of this process: adapters record by the `metrics` facade, which knows no other. Several applications
/// in one process are recorded together.
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
