//! Figures for Prometheus, served on loopback when asked for.
//!
//! | name | kind | what |
//! | --- | --- | --- |
//! | `velo_commits_total` | counter | appends made durable |
//! | `velo_commit_seconds` | summary | time of one append with its sync |
//! | `velo_log_bytes_total` | counter | bytes of headers and bodies made durable |
//! | `velo_frames_in_total`, `velo_frame_bytes_in_total` | counter | received from peers |
//! | `velo_frames_out_total`, `velo_frame_bytes_out_total` | counter | given to the network |
//! | `velo_blob_bytes_in_total`, `velo_blob_bytes_out_total` | counter | content of attachments, from and to peers |
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
