//! The log of the servers in this process, at the most detailed level.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};
use tenantry_app::{
    config::{LogConfig, LogFormat},
    logging,
};

/// The log entries since the first call of [`Log::captured`].
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Everything at every level, except the tests' own client.
    const LEVEL: &str = "trace,reqwest=off,hyper=off,hyper_util=off";

    /// Starts to capture the log of this process.
    pub(crate) fn captured() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            let writer = log.clone();
            let config = LogConfig { level: Self::LEVEL.to_owned(), format: LogFormat::Json };
            let subscriber = logging::subscriber(&config, false, move || writer.clone()).unwrap();
            tracing::subscriber::set_global_default(subscriber).unwrap();
            log
        })
        .clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
