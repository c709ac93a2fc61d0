//! Measures the export of the whole log, compared with `COPY` of the same rows by psql.

use anyhow::{Result, bail};
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::time::sleep;

use super::{AuditOptions, AuditServer, Store};
use crate::{
    load::Client,
    report::{Bar, Figure},
};

pub(super) async fn figures(run: &AuditOptions, place: &AuditServer) -> Result<Vec<Figure>> {
    let bar = match place.store {
        Store::Postgres(_) => Bar::RatioAtLeast(1.0 / 3.0),
        Store::Sqlite(_) => Bar::None,
    };
    let mut figures = Vec::new();
    for (what, format) in [("export as NDJSON", "ndjson"), ("export as CSV", "csv")] {
        eprintln!("==> {what} from {}", place.name);
        let mut speed = Figure::new(what, place.name, "entries/s", bar).beside("psql COPY");
        let mut memory = Figure::new("the same: memory that the server gains", place.name, "MB", Bar::Under(64.0));
        for _ in 0..run.rounds {
            let before = place.server.memory()?;
            let call = place.owner.read(&format!("/audit-logs/export?format={format}"))?;
            let began = Instant::now();
            let mut client = Client::open(place.server.address).await?;
            let export = client.drain(call);
            tokio::pin!(export);
            let mut most = before;
            let lines = loop {
                tokio::select! {
                    lines = &mut export => break lines?,
                    () = sleep(Duration::from_millis(20)) => most = most.max(place.server.memory()?),
                }
            };
            let took = began.elapsed();
            if lines < u64::from(run.entries) {
                bail!("an export of {lines} lines is not the whole log");
            }
            let copy = match &place.store {
                Store::Postgres(url) => {
                    Some(f64::from(run.entries) / copy(run, url, &place.owner.tenant)?.as_secs_f64())
                }
                Store::Sqlite(_) => None,
            };
            speed.add(f64::from(run.entries) / took.as_secs_f64(), copy);
            memory.add((most - before) as f64 / 1e6, None);
        }
        figures.extend([speed, memory]);
    }
    Ok(figures)
}

fn copy(run: &AuditOptions, url: &str, tenant: &str) -> Result<Duration> {
    let copy = format!(
        "COPY (SELECT j.*, p.part FROM journal j LEFT JOIN journal_parts p ON p.event_id = j.id \
         WHERE j.tenant_id = '{tenant}' ORDER BY j.id) TO STDOUT"
    );
    let began = Instant::now();
    let status = Command::new(&run.psql)
        .args([url, "--quiet", "--command", "SET app.system = 'on'", "--command", &copy])
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("psql has failed with {status}");
    }
    Ok(began.elapsed())
}
