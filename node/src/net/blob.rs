//! `/velo/blob/1`: one question and one answer on a stream of their own.
//!
//! What they mean is the business of [`velo_protocol::blob`], and who is answered that of the driver.
//! Here they are read and written, within bounds.

use super::{NetEvent, identity, task::Network};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{
    StreamProtocol,
    request_response::{
        self, Behaviour, Codec, Config, InboundRequestId, Message, OutboundRequestId, ProtocolSupport,
        ResponseChannel,
    },
};
use std::{collections::HashMap, io, time::Duration};
use velo_protocol::{
    blob::{Answer, Question},
    id::DeviceId,
    limits,
};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/velo/blob/1");
/// Questions answered and asked on one connection at the same time. An honest peer asks for one piece and offers
/// once; after a change of connections there may be as many more under way.
const STREAMS: usize = 4;

/// Names a question of a peer, for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AskId(InboundRequestId);

/// Questions under way.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// Those of peers, and where their answers go.
    theirs: HashMap<InboundRequestId, ResponseChannel<Answer>>,
    /// Ours.
    ours: HashMap<OutboundRequestId, Question>,
}

/// Both ways to speak of blobs.
pub(super) type Blobs = Behaviour<BlobCodec>;

/// A behaviour without questions.
pub(super) fn behaviour() -> Blobs {
    let config = Config::default()
        .with_request_timeout(Duration::from_millis(limits::BLOB_PATIENCE_MS))
        .with_max_concurrent_streams(STREAMS);
    Behaviour::with_codec(BlobCodec, [(PROTOCOL, ProtocolSupport::Full)], config)
}

impl Network {
    pub(super) fn ask_blob(&mut self, peer: DeviceId, question: Question) {
        let Some(peer_id) = identity::peer_id(&peer) else { return };
        let id = self.swarm.behaviour_mut().blobs.send_request(&peer_id, question.clone());
        self.questions.ours.insert(id, question);
    }

    pub(super) fn answer_blob(&mut self, AskId(id): AskId, answer: Answer) {
        if let Some(channel) = self.questions.theirs.remove(&id) {
            // The peer may have gone.
            let _ = self.swarm.behaviour_mut().blobs.send_response(channel, answer);
        }
    }

    pub(super) fn on_blob(&mut self, event: request_response::Event<Question, Answer>) {
        use request_response::Event;
        match event {
            Event::Message { peer, message, .. } => {
                let Some(peer) = identity::device_id(&peer) else { return };
                match message {
                    Message::Request { request_id, request, channel } => {
                        self.questions.theirs.insert(request_id, channel);
                        self.tell(NetEvent::BlobAsked { peer, id: AskId(request_id), question: request });
                    }
                    Message::Response { request_id, response } => {
                        self.on_blob_answer(peer, request_id, Some(response));
                    }
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "a question about a blob was not answered");
                if let Some(peer) = identity::device_id(&peer) {
                    self.on_blob_answer(peer, request_id, None);
                }
            }
            Event::InboundFailure { request_id, .. } | Event::ResponseSent { request_id, .. } => {
                self.questions.theirs.remove(&request_id);
            }
        }
    }

    fn on_blob_answer(&mut self, peer: DeviceId, id: OutboundRequestId, answer: Option<Answer>) {
        if let Some(question) = self.questions.ours.remove(&id) {
            self.tell(NetEvent::BlobAnswered { peer, question, answer });
        }
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct BlobCodec;

/// Reads to the end of the stream, if that comes within `most` bytes.
async fn read_all<T: AsyncRead + Unpin + Send>(io: &mut T, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(most as u64 + 1).read_to_end(&mut bytes).await?;
    if bytes.len() > most {
        return Err(malformed("more bytes than a message about a blob has"));
    }
    Ok(bytes)
}

async fn write_all<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    io.write_all(bytes).await?;
    io.close().await
}

fn malformed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Codec for BlobCodec {
    type Protocol = StreamProtocol;
    type Request = Question;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Question>
    where
        T: AsyncRead + Unpin + Send,
    {
        Question::decode(&read_all(io, limits::BLOB_QUESTION).await?).map_err(malformed)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        Answer::decode(&read_all(io, limits::BLOB_ANSWER).await?).map_err(malformed)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, question: Question) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_all(io, &question.encode()).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, answer: Answer) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_all(io, &answer.encode()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{executor::block_on, io::Cursor};

    #[test]
    fn a_message_without_end_is_refused_before_it_is_kept() {
        let read = |len: usize| block_on(read_all(&mut Cursor::new(vec![1; len]), limits::BLOB_ANSWER));
        assert_eq!(read(limits::BLOB_ANSWER).unwrap().len(), limits::BLOB_ANSWER);
        assert_eq!(read(limits::BLOB_ANSWER + 1).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let endless = block_on(BlobCodec.read_request(&PROTOCOL, &mut futures::io::repeat(1)));
        assert_eq!(endless.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
