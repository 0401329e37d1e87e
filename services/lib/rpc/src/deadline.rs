//! How long a client waits for an answer, as it says itself (the header *grpc-timeout* of gRPC over HTTP/2).

use std::future::Future;
use std::time::Duration;

use http::{HeaderMap, Response};
use varve_core::{Error, Kind};

use crate::status::to_status;

const HEADER: &str = "grpc-timeout";
/// The protocol allows no more.
const DIGITS: usize = 8;

/// `None` where nothing is said, or nothing that can be read.
pub fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let digits = number.len() <= DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.then(|| number.parse().ok()).flatten()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The answer, or that it is too late. A stream that has begun goes on.
pub async fn keep<B: Default, E>(
    limit: Option<Duration>,
    answer: impl Future<Output = Result<Response<B>, E>>,
) -> Result<Response<B>, E> {
    let Some(limit) = limit else { return answer.await };
    let late = |_| {
        let error = Error::new(Kind::DeadlineExceeded, "the client's time is over");
        Ok(to_status(error).into_http())
    };
    tokio::time::timeout(limit, answer).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use tonic::body::Body;

    use super::*;

    fn told(text: &str) -> Option<Duration> {
        let header = (HEADER.parse().unwrap(), text.parse().unwrap());
        of(&HeaderMap::from_iter([header]))
    }

    #[test]
    fn a_number_and_a_unit_are_a_time_and_all_else_is_none() {
        let times = [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("82m", Duration::from_millis(82)),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
        ];
        for (text, time) in times {
            assert_eq!(told(text), Some(time), "{text}");
        }
        for text in ["", "S", "1", "1s", "-1S", "+1S", "1.5S", "123456789S", "1 S", "\u{e9}"] {
            assert_eq!(told(text), None, "{text}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn an_answer_that_is_late_is_told_to_be() {
        let never = std::future::pending::<Result<Response<Body>, ()>>();
        let answer = keep(Some(Duration::from_millis(1)), never).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "4");
        let prompt = async { Ok::<_, ()>(Response::new(Body::empty())) };
        assert!(keep(Some(Duration::from_secs(60)), prompt).await.unwrap().headers().is_empty());
    }
}
