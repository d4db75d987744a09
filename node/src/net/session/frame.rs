//! Frames on a stream: a length of four bytes, little-endian, then so many bytes.
//!
//! Both directions are [`Stream`]s that work only while they are polled. Whoever stops polling
//! [`frames`] stops the reading, and through yamux' window the peer's writing: that is the whole of
//! the back-pressure.

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Stream, stream};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::mpsc;
use velo_protocol::{limits, message::Lane};

/// What a frame costs besides its bytes, wherever bytes are counted: so that empty-handed peers
/// cannot fill a queue with a million tiny frames.
pub const FRAME_COST: usize = 64;
/// Written before a flush. Small enough that [`limits::IN_FLIGHT_BYTES`] is several of these.
const FLUSH_BYTES: usize = 64 * 1024;

/// Why no further frame can be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// More than [`limits::FRAME`]. Found before anything is allocated.
    #[error("announced a frame of {0} bytes, {max} are allowed", max = limits::FRAME)]
    TooLong(u32),
    /// A frame without the type byte.
    #[error("sent an empty frame")]
    Empty,
    /// A frame of the other stream.
    #[error("sent a frame on the wrong stream")]
    Misplaced,
    /// The stream broke, or ended within a frame.
    #[error("the stream broke: {0}")]
    Io(#[from] io::Error),
}

impl FrameError {
    /// Whether the peer broke the rules, and not the network.
    pub fn is_violation(&self) -> bool {
        matches!(self, Self::TooLong(_) | Self::Empty | Self::Misplaced)
    }
}

/// The frames of one lane read from `reader`; ends with it, or after the first error.
pub fn frames<R: AsyncRead + Unpin + Send + 'static>(
    reader: R,
    lane: Lane,
) -> impl Stream<Item = Result<Vec<u8>, FrameError>> + Send {
    stream::try_unfold(reader, move |mut reader| async move {
        match read_frame(&mut reader).await? {
            Some(frame) if Lane::of(&frame) != lane => Err(FrameError::Misplaced),
            frame => Ok(frame.map(|frame| (frame, reader))),
        }
    })
}

async fn read_frame<R: AsyncRead + Unpin>(reader: &mut R) -> Result<Option<Vec<u8>>, FrameError> {
    let mut length = [0; 4];
    let first = reader.read(&mut length).await?;
    if first == 0 {
        return Ok(None);
    }
    let (_, rest) = length.split_at_mut(first);
    reader.read_exact(rest).await?;
    let length = u32::from_le_bytes(length);
    if length == 0 {
        return Err(FrameError::Empty);
    }
    if length as usize > limits::FRAME {
        return Err(FrameError::TooLong(length));
    }
    let mut frame = vec![0; length as usize];
    reader.read_exact(&mut frame).await?;
    Ok(Some(frame))
}

/// Why a frame was not taken for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Longer than a peer would accept.
    #[error("a frame of {0} bytes was to be sent, {max} are allowed", max = limits::FRAME)]
    TooLong(usize),
    /// More than [`limits::QUEUE_BYTES`] are waiting.
    #[error("more than {max} bytes wait to be sent", max = limits::QUEUE_BYTES)]
    Full,
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
}

/// The sending end of a stream's queue. Cheap to clone; never blocks.
#[derive(Debug, Clone)]
pub struct Outbound {
    frames: mpsc::UnboundedSender<Item>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Item {
    Frame(Vec<u8>),
    End,
}

/// The other end, for [`written`].
#[derive(Debug)]
pub struct Queue {
    frames: mpsc::UnboundedReceiver<Item>,
    waiting: Arc<AtomicUsize>,
}

/// A queue for one stream, bounded in bytes by [`limits::QUEUE_BYTES`].
pub fn queue() -> (Outbound, Queue) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Outbound { frames: sender, waiting: Arc::clone(&waiting) }, Queue { frames: receiver, waiting })
}

impl Outbound {
    /// Adds a frame at the end.
    pub fn push(&self, frame: Vec<u8>) -> Result<(), QueueError> {
        if frame.len() > limits::FRAME {
            return Err(QueueError::TooLong(frame.len()));
        }
        let cost = frame.len() + FRAME_COST;
        if self.waiting.fetch_add(cost, Ordering::Relaxed) + cost > limits::QUEUE_BYTES {
            self.waiting.fetch_sub(cost, Ordering::Relaxed);
            return Err(QueueError::Full);
        }
        self.frames.send(Item::Frame(frame)).map_err(|_| QueueError::Closed)
    }

    /// Nothing follows: what waits is written, then the stream is closed.
    pub fn finish(&self) {
        // The stream may be gone already; then there is nothing to close.
        drop(self.frames.send(Item::End));
    }
}

/// Writes the queue to `writer`; yields, after each flush, the sum of the lengths of the frames
/// written since the last. Ends when the queue is finished and the stream closed.
pub fn written<W: AsyncWrite + Unpin + Send + 'static>(
    writer: W,
    queue: Queue,
) -> impl Stream<Item = Result<usize, io::Error>> + Send {
    stream::try_unfold((writer, queue, false), |(mut writer, mut queue, ended)| async move {
        let first = if ended { None } else { queue.frames.recv().await };
        let Some(Item::Frame(first)) = first else {
            writer.close().await?;
            return Ok(None);
        };
        let (mut bytes, mut cost, mut ended) = (0, 0, false);
        let mut next = Some(first);
        while let Some(frame) = next.take() {
            write_frame(&mut writer, &frame).await?;
            bytes += frame.len();
            cost += frame.len() + FRAME_COST;
            if bytes < FLUSH_BYTES {
                match queue.frames.try_recv() {
                    Ok(Item::Frame(frame)) => next = Some(frame),
                    Ok(Item::End) => ended = true,
                    Err(_) => {}
                }
            }
        }
        writer.flush().await?;
        queue.waiting.fetch_sub(cost, Ordering::Relaxed);
        Ok(Some((bytes, (writer, queue, ended))))
    })
}

async fn write_frame<W: AsyncWrite + Unpin>(writer: &mut W, frame: &[u8]) -> io::Result<()> {
    writer.write_all(&(frame.len() as u32).to_le_bytes()).await?;
    writer.write_all(frame).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{
        StreamExt, TryStreamExt,
        io::{AllowStdIo, Cursor},
    };
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    async fn read_all(bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, FrameError> {
        frames(Cursor::new(bytes), Lane::Session).try_collect().await
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let (outbound, queue) = queue();
        let sent: Vec<Vec<u8>> = (1..=31_u8).map(|n| vec![n; usize::from(n) * 100]).collect();
        for frame in &sent {
            outbound.push(frame.clone()).unwrap();
        }
        outbound.finish();
        let bytes = Written::default();
        let counts: Vec<usize> = written(AllowStdIo::new(bytes.clone()), queue).try_collect().await.unwrap();
        assert_eq!(counts.iter().sum::<usize>(), sent.iter().map(Vec::len).sum::<usize>());
        assert_eq!(outbound.waiting.load(Ordering::Relaxed), 0);
        let bytes = bytes.0.lock().unwrap().clone();
        assert_eq!(read_all(bytes).await.unwrap(), sent);
    }

    #[tokio::test]
    async fn lengths_out_of_bounds_and_broken_frames_end_the_reading() {
        let too_long = read_all(u32::MAX.to_le_bytes().to_vec()).await;
        assert!(matches!(too_long, Err(FrameError::TooLong(u32::MAX))), "{too_long:?}");
        let empty = read_all(vec![1, 0, 0, 0, 9, 0, 0, 0, 0]).await;
        assert!(matches!(empty, Err(FrameError::Empty)), "{empty:?}");
        for cut in [1, 3, 4, 6] {
            let bytes = [3, 0, 0, 0, 1, 2, 3][..cut].to_vec();
            let mut stream = frames(Cursor::new(bytes), Lane::Session).boxed();
            assert!(matches!(stream.next().await, Some(Err(FrameError::Io(_)))), "cut at {cut}");
            assert!(stream.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn a_frame_of_a_pull_is_not_read_from_the_session() {
        let misplaced = read_all(vec![1, 0, 0, 0, 33]).await;
        assert!(matches!(misplaced, Err(FrameError::Misplaced)), "{misplaced:?}");
        let pulled: Result<Vec<_>, _> = frames(Cursor::new([1, 0, 0, 0, 33]), Lane::Pull).try_collect().await;
        assert_eq!(pulled.unwrap(), [[33]]);
    }

    #[test]
    fn the_queue_is_bounded_and_counts_what_tiny_frames_cost() {
        let (outbound, queue) = queue();
        assert_eq!(outbound.push(vec![0; limits::FRAME + 1]), Err(QueueError::TooLong(limits::FRAME + 1)));
        let mut taken = 0;
        let refused = loop {
            match outbound.push(vec![0]) {
                Ok(()) => taken += 1,
                Err(refused) => break refused,
            }
        };
        assert_eq!((refused, taken), (QueueError::Full, limits::QUEUE_BYTES / (1 + FRAME_COST)));
        drop(queue);
    }
}
