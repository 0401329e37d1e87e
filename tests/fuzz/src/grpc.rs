//! Every request of every service, to services that are really there: the content store and a
//! snapshotter on a disk, behind the servers of lib/rpc, without a socket.
//!
//! An input is a few calls, one after the other: `[METHOD u8][LENGTH u16, little endian][MESSAGE]`.
//! Methods are counted as they stand in the wire's descriptors, so that none can be forgotten;
//! messages that follow one another to the same method of a stream of requests are one stream. The
//! highest bit of METHOD, where it is set, makes the call one under a lease.

mod elsewhere;
mod method;
mod room;
pub mod seed;

pub use method::{Method, methods};
pub use room::Room;

use crate::shared::Shared;

/// Most calls of one input.
const CALLS: usize = 12;
/// Inputs that share a store.
const INPUTS: usize = 64;

static ROOM: Shared<Room> = Shared::new(INPUTS, Room::open, Room::close);

/// One call: the number of its method, whether it is under a lease, and its messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    pub method: u8,
    pub leased: bool,
    pub messages: Vec<Vec<u8>>,
}

/// The bytes are calls. Each is answered within its time, or ends with its stream.
pub fn grpc(data: &[u8]) {
    ROOM.with(|room| {
        for call in calls(data) {
            room.call(&call);
        }
    });
}

/// The calls that an input has.
pub fn calls(data: &[u8]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut rest = data;
    while let [head, low, high, after @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let message = after[..len].to_vec();
        rest = &after[len..];
        let (method, leased) = (head & 0x7f, head & 0x80 != 0);
        let streams = methods().get(usize::from(method)).is_some_and(|method| method.takes_many);
        let full = calls.len() == CALLS;
        match calls.last_mut() {
            Some(last) if streams && last.method == method && last.leased == leased => {
                last.messages.push(message);
            }
            _ if full => break,
            _ => calls.push(Call { method, leased, messages: vec![message] }),
        }
    }
    calls
}

/// An input of these calls.
pub fn input(calls: &[Call]) -> Vec<u8> {
    let mut input = Vec::new();
    for call in calls {
        for message in &call.messages {
            let len = u16::try_from(message.len()).expect("a seed's message is short");
            input.push(call.method | u8::from(call.leased) << 7);
            input.extend_from_slice(&len.to_le_bytes());
            input.extend_from_slice(message);
        }
    }
    input
}
