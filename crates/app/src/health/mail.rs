//! Checks whether emails can be sent.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tenantry_http::{Check, Status};
use tokio::time::timeout;

use crate::mail::ConfiguredMailer;

use super::{Observation, TIME_LIMIT, try_folder};

/// Time for which a result is reused. Connecting and signing in every second would burden the mail server.
const FRESH: Duration = Duration::from_secs(15);

/// The last result.
#[derive(Default, Clone)]
pub(crate) struct LastMailCheck(Arc<Parts>);

#[derive(Default)]
struct Parts {
    last: Mutex<Option<(Instant, Check)>>,
    /// Held during a check of the mail server.
    asking: tokio::sync::Mutex<()>,
}

impl LastMailCheck {
    /// Returns the recent result or starts a check. A mail server may greet slowly, so the check runs in a task of its
    /// own. A caller whose time runs out gets the previous result.
    pub(super) async fn check(&self, outbox: &ConfiguredMailer) -> Check {
        if let Some(check) = self.fresh() {
            return check;
        }
        let asking = tokio::spawn({
            let (remembered, outbox) = (self.clone(), outbox.clone());
            async move { remembered.refresh(&outbox).await }
        });
        match timeout(TIME_LIMIT, asking).await {
            Ok(Ok(check)) => check,
            _ => self.seen().map_or_else(
                || Check { status: Status::Warn, latency: TIME_LIMIT, observed: "no answer yet".to_owned() },
                |(_, check)| check,
            ),
        }
    }

    fn seen(&self) -> Option<(Instant, Check)> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self) -> Option<Check> {
        self.seen().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, check)| check)
    }

    /// Checks the mail server, unless another caller has just done so.
    async fn refresh(&self, outbox: &ConfiguredMailer) -> Check {
        let _asking = self.0.asking.lock().await;
        if let Some(check) = self.fresh() {
            return check;
        }
        let began = Instant::now();
        let (status, observed) = look(outbox).await;
        let check = Check { status, latency: began.elapsed(), observed };
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), check.clone()));
        check
    }
}

/// Checks the transport. No request waits for an email, so the result is at worst a warning.
async fn look(outbox: &ConfiguredMailer) -> Observation {
    match outbox {
        ConfiguredMailer::Console(_) => (Status::Pass, "emails are printed to standard output".to_owned()),
        ConfiguredMailer::File(_, folder) => {
            let folder = folder.clone();
            let tried = tokio::task::spawn_blocking(move || try_folder(&folder)).await;
            match tried {
                Ok(Ok(_)) => (Status::Pass, "the folder can be written".to_owned()),
                Ok(Err(_)) | Err(_) => (Status::Warn, "the folder cannot be written; emails wait".to_owned()),
            }
        }
        ConfiguredMailer::Smtp(mailer) => match mailer.check().await {
            Ok(()) => (Status::Pass, "the SMTP server answers".to_owned()),
            Err(_) => (Status::Warn, "the SMTP server cannot be used; emails wait".to_owned()),
        },
    }
}
