//! A piece of a blob that fits one message, without what a stream takes: clients of containerd read a blob 32 KiB at a
//! time, and the codec's buffers, copies and tasks would cost more than the bytes.
//!
//! What it answers is what [`super::server`] would, which all other reads are for.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::buf::Chain;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Frame, Incoming, SizeHint};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, int64};
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use varve_core::content::{Content, Reader};
use varve_core::{Error, Kind, Result};
use varve_proto::containerd::services::content::v1::ReadContentRequest;

use super::server::{Range, open};
use crate::channel::CHUNK;
use crate::convert::signed;
use crate::status::to_status;

/// Bytes of a request; a digest and two numbers are far less.
const REQUEST: usize = 4 << 10;
/// How messages are compressed, where they are.
const ENCODING: &str = "grpc-encoding";
/// Before each message: whether it is compressed, and its length (gRPC over HTTP/2, *Length-Prefixed-Message*).
const PREFIX: usize = 5;
/// Fields of ReadContentResponse.
const OFFSET: u32 = 1;
const DATA: u32 = 2;

/// The body of an answer.
pub(crate) enum Answer {
    Any(Body),
    /// One message, if it is not sent yet; then how it ended.
    Piece(Option<Sent>, Option<HeaderMap>),
}

/// What stands before the bytes, and the bytes as they were read.
type Sent = Chain<Bytes, Bytes>;

/// Answers a read of a piece. One of more, or that is not understood here, is handed back as it came.
pub(crate) async fn answer(
    content: &dyn Content,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Request<Body>> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, REQUEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let error = Error::new(Kind::ResourceExhausted, format!("the request: {error}"));
            return Ok(to_status(error).into_http());
        }
    };
    let plain = parts.headers.get(ENCODING).is_none_or(|it| it == "identity");
    let Some(wanted) = piece(&body).filter(|_| plain) else {
        return Err(Request::from_parts(parts, Body::new(Full::new(body))));
    };
    let metadata = MetadataMap::from_headers(parts.headers);
    let request = tonic::Request::from_parts(metadata, parts.extensions, wanted);
    Ok(match read(content, request).await {
        Ok(sent) => response(sent),
        Err(status) => status.into_http(),
    })
}

/// The request in `body`, where it is for a piece.
fn piece(body: &Bytes) -> Option<ReadContentRequest> {
    let (prefix, message) = body.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    let plain = prefix[0] == 0 && message.len() as u64 == u64::from(length);
    let request = plain.then(|| ReadContentRequest::decode(message).ok()).flatten()?;
    let size = usize::try_from(request.size).ok()?;
    (1..=CHUNK).contains(&size).then_some(request)
}

async fn read(
    content: &dyn Content,
    request: tonic::Request<ReadContentRequest>,
) -> Result<Option<Sent>, Status> {
    let Range { reader, offset, len } = open(content, request).await?;
    let bytes = whole(&*reader, offset, usize::try_from(len).unwrap_or(CHUNK));
    let bytes = bytes.await.map_err(to_status)?;
    Ok((!bytes.is_empty()).then(|| head(offset, bytes.len()).chain(bytes)))
}

/// All `len` bytes, however many come at a time.
async fn whole(reader: &dyn Reader, offset: u64, len: usize) -> Result<Bytes> {
    let first = reader.read_at(offset, len).await?;
    if first.len() == len {
        return Ok(first);
    }
    let mut all = BytesMut::with_capacity(len);
    let mut next = first;
    loop {
        all.put(&mut next);
        if all.len() == len {
            return Ok(all.freeze());
        }
        next = reader.read_at(offset + all.len() as u64, len - all.len()).await?;
        if next.is_empty() {
            return Err(Error::data_loss("a blob ended before its size"));
        }
    }
}

/// A message up to its bytes.
fn head(offset: u64, len: usize) -> Bytes {
    let mut fields = BytesMut::with_capacity(PREFIX + 24);
    fields.put_bytes(0, PREFIX);
    if offset > 0 {
        int64::encode(OFFSET, &signed(offset), &mut fields);
    }
    encode_key(DATA, WireType::LengthDelimited, &mut fields);
    encode_varint(len as u64, &mut fields);
    let message = u32::try_from(fields.len() - PREFIX + len).unwrap_or(u32::MAX);
    fields[1..PREFIX].copy_from_slice(&message.to_be_bytes());
    fields.freeze()
}

fn response(sent: Option<Sent>) -> Response<Answer> {
    let ended = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
    let mut response = Response::new(Answer::Piece(sent, Some(ended)));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, grpc);
    response
}

impl Default for Answer {
    fn default() -> Self {
        Self::Any(Body::default())
    }
}

impl hyper::body::Body for Answer {
    type Data = Sent;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Sent>, Status>>> {
        match self.get_mut() {
            Self::Any(body) => {
                let plain = |bytes: Bytes| Bytes::new().chain(bytes);
                let frame = Pin::new(body).poll_frame(context);
                frame.map(|frame| frame.map(|frame| frame.map(|it| it.map_data(plain))))
            }
            Self::Piece(sent, ended) => {
                let sent = sent.take().map(Frame::data);
                Poll::Ready(sent.or_else(|| ended.take().map(Frame::trailers)).map(Ok))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Any(body) => body.is_end_stream(),
            Self::Piece(sent, ended) => sent.is_none() && ended.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Any(body) => body.size_hint(),
            Self::Piece(..) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use varve_proto::containerd::services::content::v1::ReadContentResponse;

    use super::*;

    fn request(size: i64) -> Vec<u8> {
        let message = ReadContentRequest { digest: "sha256:00".into(), offset: 7, size };
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap();
        [&[0], &length.to_be_bytes()[..], &message].concat()
    }

    #[test]
    fn a_piece_is_told_from_all_else() {
        let whole = request(32 << 10);
        let read = piece(&whole.clone().into()).unwrap();
        assert_eq!((read.offset, read.size), (7, 32 << 10));
        for size in [0, -1, CHUNK as i64 + 1, i64::MAX, i64::MIN] {
            assert!(piece(&request(size).into()).is_none(), "{size}");
        }
        for end in 0..whole.len() {
            assert!(piece(&whole[..end].to_vec().into()).is_none(), "{end}");
        }
        assert!(piece(&[&whole[..], &[0]].concat().into()).is_none());
        assert!(piece(&[&[1], &whole[1..]].concat().into()).is_none(), "compressed");
    }

    #[test]
    fn a_message_is_what_the_codec_would_have_made() {
        for (offset, len) in [(0, 1), (1, 127), (300, 128), (u64::MAX >> 1, 32 << 10)] {
            let data = Bytes::from(vec![b'x'; len]);
            let sent = head(offset, len)
                .chain(data.clone())
                .copy_to_bytes(PREFIX + message(offset, &data).len());
            assert_eq!(
                sent[..PREFIX],
                [&[0], &(message(offset, &data).len() as u32).to_be_bytes()[..]].concat()
            );
            assert!(sent[PREFIX..] == message(offset, &data), "{offset} {len}");
        }
    }

    fn message(offset: u64, data: &Bytes) -> Vec<u8> {
        ReadContentResponse { offset: signed(offset), data: data.clone() }.encode_to_vec()
    }
}
