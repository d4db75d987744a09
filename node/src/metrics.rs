//! Figures for Prometheus, served on loopback when asked for: by a server of their own, or by whoever asks
//! for them as text.
//!
//! | name | kind | what |
//! | --- | --- | --- |
//! | `velo_commits_total` | counter | appends made durable |
//! | `velo_commit_seconds` | summary | time of one append with its sync |
//! | `velo_log_bytes_total` | counter | bytes of headers and bodies made durable |
//! | `velo_frames_in_total`, `velo_frame_bytes_in_total` | counter | received from peers |
//! | `velo_frames_out_total`, `velo_frame_bytes_out_total` | counter | given to the network |
//! | `velo_blob_bytes_in_total`, `velo_blob_bytes_out_total` | counter | content of attachments, from and to peers |
//! | `velo_carried_blob_bytes` | gauge | content of attachments that is carried as a relay, by workspace |
//! | `velo_peers` | gauge | peers with an open session |
//! | `velo_entries` | gauge | entries applied, by workspace |

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::{net::SocketAddr, sync::OnceLock};

/// The figures of this process, once somebody wanted any.
static FIGURES: OnceLock<PrometheusHandle> = OnceLock::new();

/// Why no figures are served.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Figures tell who works when, so they stay on the machine.
    #[error("metrics are served on loopback only: give 127.0.0.1:{port} instead of {address}", port = address.port())]
    NotLoopback {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The port is taken, or figures are served already.
    #[error("metrics could not be served on {address}: {reason}")]
    Start {
        /// Where.
        address: SocketAddr,
        /// Why not.
        reason: String,
    },
}

/// Serves `http://<address>/metrics` until the runtime ends. Once a process; must be called in a
/// tokio runtime.
pub fn serve(address: SocketAddr) -> Result<(), MetricsError> {
    if !address.ip().is_loopback() {
        return Err(MetricsError::NotLoopback { address });
    }
    let failed = |reason: String| MetricsError::Start { address, reason };
    let builder = PrometheusBuilder::new().with_http_listener(address);
    let (recorder, server) = builder.build().map_err(|error| failed(error.to_string()))?;
    let figures = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| failed(error.to_string()))?;
    FIGURES.get_or_init(|| figures);
    tokio::spawn(server);
    Ok(())
}

/// The figures as Prometheus reads them. They are counted from the first time on that this or [`upkeep`] is
/// called, unless [`serve`] was called before.
pub fn text() -> String {
    figures().render()
}

/// Sums up what was measured. Whoever uses [`text`] calls it every few seconds, or measurements pile up.
pub fn upkeep() {
    figures().run_upkeep();
}

fn figures() -> &'static PrometheusHandle {
    FIGURES.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let figures = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("figures are counted elsewhere already");
        }
        figures
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
    };

    #[test]
    fn figures_stay_on_the_machine() {
        let refused = serve("0.0.0.0:9000".parse().unwrap()).unwrap_err().to_string();
        assert!(refused.contains("127.0.0.1:9000"), "{refused}");
    }

    #[test]
    fn figures_can_be_fetched_and_a_taken_port_is_told() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert!(matches!(serve(address), Err(MetricsError::Start { .. })));
        drop(taken);
        serve(address).unwrap();
        metrics::counter!("velo_commits_total").increment(1);
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("velo_commits_total"), "{answer}");
    }
}
