//! One connection's part of the session: opens or accepts the stream, and once the connection is
//! chosen carries frames over it.

use super::frame::{self, FRAME_COST, FrameError, Queue};
use futures::{
    AsyncReadExt, StreamExt,
    stream::{BoxStream, Fuse},
};
use libp2p::{
    Stream, StreamProtocol,
    core::upgrade::ReadyUpgrade,
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::Sleep;
use velo_protocol::limits;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/velo/session/1");
/// Frames read and not yet taken by the driver, as bytes: one frame of full size beyond it at most.
const WINDOW: usize = limits::FRAME;
/// How long a finished session may take to write what still waits.
const FAREWELL: Duration = Duration::from_millis(500);

/// What the behaviour asks of a connection.
#[derive(Debug)]
pub enum Ask {
    /// Open the session stream.
    Open,
    /// Carry frames: those of the queue out, the peer's in.
    Carry(Queue),
    /// The driver took frames that cost so many bytes: read on.
    Credit(usize),
    /// Write what waits, close the stream, read no more.
    Finish,
}

/// What a connection tells the behaviour.
#[derive(Debug)]
pub enum Tell {
    /// The session stream is open.
    Offered,
    /// A frame arrived.
    Frame(Vec<u8>),
    /// So many bytes of frames were written and flushed.
    Sent(usize),
    /// Nothing more comes from this connection.
    Ended(End),
}

/// Why a session stream ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// As we asked.
    #[error("the session is finished")]
    Finished,
    /// The peer closed the stream.
    #[error("the peer closed the session")]
    Closed,
    /// Reading or writing failed, or the peer broke the framing.
    #[error("the peer {0}")]
    Frame(#[from] FrameError),
    /// No frame came in time.
    #[error("the peer sent nothing for {} s after connecting", limits::HELLO_MS / 1000)]
    Silent,
    /// The other side is some other libp2p program.
    #[error("the peer does not speak {PROTOCOL}: it is not Velo, or of another version")]
    Foreign,
    /// The stream could not be opened.
    #[error("no session stream could be opened: {0}")]
    Refused(String),
}

enum State {
    /// No stream.
    Idle,
    /// The stream is open; the behaviour has not chosen this connection.
    Offered(Stream),
    Carrying(Carrying),
    Ended,
}

struct Carrying {
    frames: BoxStream<'static, Result<Vec<u8>, FrameError>>,
    written: Fuse<BoxStream<'static, io::Result<usize>>>,
    /// Whose turn it is, so that neither direction starves the other.
    read_first: bool,
}

/// See the module.
pub struct Handler {
    state: State,
    open: bool,
    tell: Option<Tell>,
    /// By when the first frame must have come, or the last one been written.
    deadline: Option<Pin<Box<Sleep>>>,
    finishing: bool,
    /// Cost of the frames told and not yet credited.
    outstanding: usize,
}

impl Handler {
    /// A connection just made.
    pub fn new() -> Self {
        Self { state: State::Idle, open: false, tell: None, deadline: None, finishing: false, outstanding: 0 }
    }

    fn offered(&mut self, stream: Stream) {
        // A second stream on one connection is refused by dropping it.
        if matches!(self.state, State::Idle) {
            self.state = State::Offered(stream);
            self.tell = Some(Tell::Offered);
        }
    }

    fn carry(&mut self, queue: Queue) {
        let State::Offered(stream) = std::mem::replace(&mut self.state, State::Ended) else { return };
        let (reader, writer) = stream.split();
        self.state = State::Carrying(Carrying {
            frames: frame::frames(reader).boxed(),
            written: frame::written(writer, queue).boxed().fuse(),
            read_first: true,
        });
        self.deadline = Some(Box::pin(tokio::time::sleep(Duration::from_millis(limits::HELLO_MS))));
    }

    fn finish(&mut self) {
        self.finishing = true;
        if matches!(self.state, State::Carrying(_)) {
            self.deadline = Some(Box::pin(tokio::time::sleep(FAREWELL)));
        } else {
            self.end(End::Finished);
        }
    }

    fn end(&mut self, end: End) {
        if !matches!(self.state, State::Ended) {
            self.state = State::Ended;
            self.deadline = None;
            self.tell = Some(Tell::Ended(if self.finishing { End::Finished } else { end }));
        }
    }

    fn poll_session(&mut self, cx: &mut Context<'_>) -> Poll<Tell> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            self.end(End::Silent);
        }
        let readable = self.outstanding < WINDOW;
        if let State::Carrying(carrying) = &mut self.state
            && self.finishing
        {
            if carrying.poll_farewell(cx).is_ready() {
                self.end(End::Finished);
            }
        } else if let State::Carrying(carrying) = &mut self.state
            && let Poll::Ready(step) = carrying.poll(cx, readable)
        {
            match step {
                Ok(Tell::Frame(frame)) => {
                    self.deadline = None;
                    self.outstanding += frame.len() + FRAME_COST;
                    return Poll::Ready(Tell::Frame(frame));
                }
                Ok(tell) => return Poll::Ready(tell),
                Err(end) => self.end(end),
            }
        }
        self.tell.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Carrying {
    fn poll(&mut self, cx: &mut Context<'_>, readable: bool) -> Poll<Result<Tell, End>> {
        self.read_first = !self.read_first;
        for read in [self.read_first, !self.read_first] {
            let step = match read {
                true if readable => self.poll_read(cx),
                true => Poll::Pending,
                false => self.poll_write(cx),
            };
            if step.is_ready() {
                return step;
            }
        }
        Poll::Pending
    }

    /// Writes what waits and closes, then waits for the peer to close, too: closing the connection
    /// before would throw away what the peer has received and not yet read.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(bytes) = ready!(self.written.poll_next_unpin(cx)) {
            if bytes.is_err() {
                return Poll::Ready(());
            }
        }
        while let Some(Ok(_)) = ready!(self.frames.poll_next_unpin(cx)) {}
        Poll::Ready(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Tell, End>> {
        self.frames.poll_next_unpin(cx).map(|frame| match frame {
            Some(Ok(frame)) => Ok(Tell::Frame(frame)),
            Some(Err(error)) => Err(error.into()),
            None => Err(End::Closed),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<Tell, End>> {
        self.written.poll_next_unpin(cx).map(|bytes| match bytes {
            Some(Ok(bytes)) => Ok(Tell::Sent(bytes)),
            Some(Err(error)) => Err(FrameError::Io(error).into()),
            None => Err(End::Finished),
        })
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Ask;
    type ToBehaviour = Tell;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
            .with_timeout(Duration::from_millis(limits::HELLO_MS))
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if std::mem::take(&mut self.open) {
            let protocol = self.listen_protocol();
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        self.poll_session(cx).map(ConnectionHandlerEvent::NotifyBehaviour)
    }

    fn on_behaviour_event(&mut self, ask: Ask) {
        match ask {
            Ask::Open => self.open = matches!(self.state, State::Idle),
            Ask::Carry(queue) => self.carry(queue),
            Ask::Credit(cost) => self.outstanding = self.outstanding.saturating_sub(cost),
            Ask::Finish => self.finish(),
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. })
            | ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, .. }) => {
                self.offered(protocol);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => self.end(match error {
                StreamUpgradeError::NegotiationFailed => End::Foreign,
                other => End::Refused(other.to_string()),
            }),
            _ => {}
        }
    }
}
