//! Receives messages, and resubscribes after Redis was down.
//!
//! A silent subscription does not reveal a frozen server, so the subscriber sends pings. A failed subscriber is dropped
//! and created again: fred does not remember a subscription that failed while the server was down.

use fred::{
    clients::SubscriberClient,
    interfaces::{ClientLike, EventInterface, PubsubInterface},
    types::{
        Builder, RespVersion,
        config::{Config, ReconnectPolicy},
    },
};
use secrecy::ExposeSecret;
use std::{sync::Arc, time::Duration};
use tokio::{sync::broadcast::error::RecvError, time::timeout};

use crate::connection::Shared;

/// Time limit for connecting, subscribing and answering a ping.
const LIMIT: Duration = Duration::from_secs(1);
/// Interval between pings.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Pause between attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);

/// Calls `heard` with each message of other processes; never returns. The sender's token at the start of a message is
/// removed.
pub(crate) async fn listen(
    shared: Arc<Shared>,
    channel: &'static str,
    own: String,
    heard: impl Fn(&str) + Send + Sync,
) {
    let mut was_heard = true;
    loop {
        match hear(&shared, channel, &own, &heard).await {
            Ok(()) => was_heard = true,
            Err(error) => {
                if was_heard {
                    tracing::warn!(
                        channel,
                        error,
                        "messages of other processes are not received; the feed in the database has the changes"
                    );
                }
                was_heard = false;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Receives until the connection fails. Returns an error if no connection was made.
async fn hear(shared: &Shared, channel: &str, own: &str, heard: &(impl Fn(&str) + Send + Sync)) -> Result<(), String> {
    let client = client(shared).map_err(|error| error.details().to_owned())?;
    let mut messages = client.message_rx();
    // Resubscribes after an automatic reconnection.
    let subscriptions = client.manage_subscriptions();
    let connection = client.connect();
    let subscribed = timeout(LIMIT, async {
        client.wait_for_connect().await?;
        client.subscribe(channel).await
    })
    .await;
    let outcome = match subscribed {
        Ok(Ok(())) => {
            let mut heartbeat = tokio::time::interval(HEARTBEAT);
            loop {
                tokio::select! {
                    message = messages.recv() => match message {
                        Ok(message) => {
                            let text = message.value.as_string().unwrap_or_default();
                            if let Some((sender, text)) = text.split_once(' ') && sender != own {
                                heard(text);
                            }
                        }
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => break Ok(()),
                    },
                    _ = heartbeat.tick() => {
                        if !matches!(timeout(LIMIT, client.ping::<()>(None)).await, Ok(Ok(()))) {
                            break Ok(());
                        }
                    }
                }
            }
        }
        Ok(Err(error)) => Err(error.details().to_owned()),
        Err(_) => Err("no answer in time".to_owned()),
    };
    subscriptions.abort();
    connection.abort();
    outcome
}

fn client(shared: &Shared) -> Result<SubscriberClient, fred::error::Error> {
    let mut config = Config::from_url(shared.url.expose_secret())?;
    config.version = RespVersion::RESP3;
    config.fail_fast = false;
    Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.connection_timeout = LIMIT;
            connection.internal_command_timeout = LIMIT;
            connection.max_command_attempts = 1;
        })
        .with_performance_config(|performance| performance.default_command_timeout = LIMIT)
        .set_policy(ReconnectPolicy::new_constant(0, 250))
        .build_subscriber_client()
}
