//! Figures for Prometheus, served on loopback when asked for.
//!
//! | name | kind | what |
//! | --- | --- | --- |
//! | `velo_commits_total` | counter | appends made durable |
//! | `velo_commit_seconds` | summary | time of one append with its sync |
//! | `velo_log_bytes_total` | counter | bytes of headers and bodies made durable |
//! | `velo_frames_in_total`, `velo_frame_bytes_in_total` | counter | received from peers |
//! | `velo_frames_out_total`, `velo_frame_bytes_out_total` | counter | given to the network |
//! | `velo_peers` | gauge | peers with an open session |
//! | `velo_entries` | gauge | entries applied, by workspace |

use metrics_exporter_prometheus::PrometheusBuilder;
use std::net::SocketAddr;

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
    let builder = PrometheusBuilder::new().with_http_listener(address);
    builder.install().map_err(|error| MetricsError::Start { address, reason: error.to_string() })
}
