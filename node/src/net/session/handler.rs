//! One connection's part of the session: opens or accepts the streams, and once the connection is
//! chosen carries frames over them.
//!
//! Who opened the session's stream opens that of the pulls too, as soon as the connection is chosen.
//! What is to be sent on it waits until then. The session's frames go first whenever both have some.

use super::frame::{self, FRAME_COST, FrameError, Queue};
use futures::{
    AsyncReadExt, StreamExt,
    future::Either,
    stream::{BoxStream, Fuse},
};
use libp2p::{
    Stream, StreamProtocol,
    core::upgrade::{ReadyUpgrade, SelectUpgrade},
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
use velo_protocol::{limits, message::Lane};

const SESSION: StreamProtocol = StreamProtocol::new("/velo/session/1");
const PULL: StreamProtocol = StreamProtocol::new("/velo/pull/1");
/// Frames of one stream read and not yet taken by the driver, as bytes: one frame of full size beyond
/// it at most.
const WINDOW: usize = limits::FRAME;
/// How long a finished session may take to write what still waits.
const FAREWELL: Duration = Duration::from_millis(500);

/// What the behaviour asks of a connection.
#[derive(Debug)]
pub enum Ask {
    /// Open the session stream.
    Open,
    /// Carry frames: those of the queues out, the peer's in.
    Carry {
        /// For the session's own stream.
        session: Queue,
        /// For that of the pulls.
        pull: Queue,
    },
    /// The driver took frames of a stream that cost so many bytes: read on.
    Credit(Lane, usize),
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
    /// So many bytes of frames were written to a stream and flushed.
    Sent(Lane, usize),
    /// Nothing more comes from this connection.
    Ended(End),
}

/// Why a session stream ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// As we asked.
    #[error("the session is finished")]
    Finished,
    /// The peer closed a stream.
    #[error("the peer closed the session")]
    Closed,
    /// Reading or writing failed, or the peer broke the framing.
    #[error("the peer {0}")]
    Frame(#[from] FrameError),
    /// No frame came in time.
    #[error("the peer sent nothing for {} s after connecting", limits::HELLO_MS / 1000)]
    Silent,
    /// The other side is some other libp2p program.
    #[error("the peer does not speak {SESSION} and {PULL}: it is not Velo, or of another version")]
    Foreign,
    /// A stream could not be opened.
    #[error("no stream could be opened: {0}")]
    Refused(String),
}

enum State {
    /// No stream.
    Idle,
    /// The stream is open; the behaviour has not chosen this connection.
    Offered(Stream),
    /// The session's own stream.
    Carrying(Carrying),
    Ended,
}

/// The stream of the pulls. It may be open before there is something to carry, and the other way round.
enum Pull {
    Waiting { queue: Option<Queue>, stream: Option<Stream> },
    Carrying(Carrying),
}

/// One stream, both ways.
struct Carrying {
    lane: Lane,
    frames: BoxStream<'static, Result<Vec<u8>, FrameError>>,
    written: Fuse<BoxStream<'static, io::Result<usize>>>,
    /// Whose turn it is, so that neither direction starves the other.
    read_first: bool,
    /// Cost of the frames told and not yet credited.
    outstanding: usize,
}

/// See the module.
pub struct Handler {
    state: State,
    pull: Pull,
    /// The stream to be opened next.
    open: Option<Lane>,
    /// Whether this side opened the session's stream.
    opens: bool,
    tell: Option<Tell>,
    /// By when the first frame must have come, or the last one been written.
    deadline: Option<Pin<Box<Sleep>>>,
    finishing: bool,
}

impl Handler {
    /// A connection just made.
    pub fn new() -> Self {
        Self {
            state: State::Idle,
            pull: Pull::Waiting { queue: None, stream: None },
            open: None,
            opens: false,
            tell: None,
            deadline: None,
            finishing: false,
        }
    }

    fn opened(&mut self, lane: Lane, stream: Stream) {
        // A second stream of a kind on one connection is refused by dropping it.
        match (lane, &mut self.state, &mut self.pull) {
            (Lane::Session, state @ State::Idle, _) => {
                *state = State::Offered(stream);
                self.tell = Some(Tell::Offered);
            }
            (Lane::Pull, State::Offered(_) | State::Carrying(_), Pull::Waiting { stream: place, .. }) => {
                place.get_or_insert(stream);
                self.join_pull();
            }
            _ => {}
        }
    }

    fn carry(&mut self, session: Queue, pull: Queue) {
        let State::Offered(stream) = std::mem::replace(&mut self.state, State::Ended) else { return };
        self.state = State::Carrying(Carrying::new(Lane::Session, stream, session));
        self.deadline = Some(Box::pin(tokio::time::sleep(Duration::from_millis(limits::HELLO_MS))));
        if let Pull::Waiting { queue, .. } = &mut self.pull {
            *queue = Some(pull);
        }
        if self.opens {
            self.open = Some(Lane::Pull);
        }
        self.join_pull();
    }

    fn join_pull(&mut self) {
        if let Pull::Waiting { queue, stream } = &mut self.pull
            && let (Some(_), Some(_)) = (&queue, &stream)
            && let (Some(queue), Some(stream)) = (queue.take(), stream.take())
        {
            self.pull = Pull::Carrying(Carrying::new(Lane::Pull, stream, queue));
        }
    }

    fn credit(&mut self, lane: Lane, cost: usize) {
        let ((Lane::Session, State::Carrying(carrying), _) | (Lane::Pull, _, Pull::Carrying(carrying))) =
            (lane, &mut self.state, &mut self.pull)
        else {
            return;
        };
        carrying.outstanding = carrying.outstanding.saturating_sub(cost);
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
        if let State::Carrying(carrying) = &mut self.state
            && self.finishing
        {
            if carrying.poll_farewell(cx).is_ready() {
                self.end(End::Finished);
            }
        } else if let Poll::Ready(step) = self.poll_streams(cx) {
            match step {
                Ok(tell) => {
                    if matches!(tell, Tell::Frame(_)) {
                        self.deadline = None;
                    }
                    return Poll::Ready(tell);
                }
                Err(end) => self.end(end),
            }
        }
        self.tell.take().map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_streams(&mut self, cx: &mut Context<'_>) -> Poll<Result<Tell, End>> {
        let State::Carrying(session) = &mut self.state else { return Poll::Pending };
        match (session.poll(cx), &mut self.pull) {
            (Poll::Pending, Pull::Carrying(pull)) => pull.poll(cx),
            (step, _) => step,
        }
    }
}

impl Carrying {
    fn new(lane: Lane, stream: Stream, queue: Queue) -> Self {
        let (reader, writer) = stream.split();
        Self {
            lane,
            frames: frame::frames(reader, lane).boxed(),
            written: frame::written(writer, queue).boxed().fuse(),
            read_first: true,
            outstanding: 0,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Tell, End>> {
        let readable = self.outstanding < WINDOW;
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
            Some(Ok(frame)) => {
                self.outstanding += frame.len() + FRAME_COST;
                Ok(Tell::Frame(frame))
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(End::Closed),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<Tell, End>> {
        self.written.poll_next_unpin(cx).map(|bytes| match bytes {
            Some(Ok(bytes)) => Ok(Tell::Sent(self.lane, bytes)),
            Some(Err(error)) => Err(FrameError::Io(error).into()),
            None => Err(End::Finished),
        })
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Ask;
    type ToBehaviour = Tell;
    type InboundProtocol = SelectUpgrade<ReadyUpgrade<StreamProtocol>, ReadyUpgrade<StreamProtocol>>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Lane;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        let both = SelectUpgrade::new(ReadyUpgrade::new(SESSION), ReadyUpgrade::new(PULL));
        SubstreamProtocol::new(both, ()).with_timeout(Duration::from_millis(limits::HELLO_MS))
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Lane, Self::ToBehaviour>> {
        if let Some(lane) = self.open.take() {
            let name = if lane == Lane::Session { SESSION } else { PULL };
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(name), lane)
                .with_timeout(Duration::from_millis(limits::HELLO_MS));
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        self.poll_session(cx).map(ConnectionHandlerEvent::NotifyBehaviour)
    }

    fn on_behaviour_event(&mut self, ask: Ask) {
        match ask {
            Ask::Open => {
                self.opens = matches!(self.state, State::Idle);
                self.open = self.opens.then_some(Lane::Session);
            }
            Ask::Carry { session, pull } => self.carry(session, pull),
            Ask::Credit(lane, cost) => self.credit(lane, cost),
            Ask::Finish => self.finish(),
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol, (), Lane>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                match protocol {
                    Either::Left(stream) => self.opened(Lane::Session, stream),
                    Either::Right(stream) => self.opened(Lane::Pull, stream),
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                self.opened(info, protocol);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => self.end(match error {
                StreamUpgradeError::NegotiationFailed => End::Foreign,
                other => End::Refused(other.to_string()),
            }),
            _ => {}
        }
    }
}
