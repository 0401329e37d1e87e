//! What can be wrong, and where, and how often.

use std::time::Duration;

use http::{HeaderMap, Method};
use varve_core::Digest;

/// Which requests a rule is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum On {
    Everything,
    Blobs,
    Manifests,
    /// Only HEAD of manifests.
    Heads,
    Tags,
    Token,
    /// What is written of a blob: PATCH of an upload.
    Patches,
    /// What ends an upload: PUT of it.
    Closings,
    /// What asks for a part: GET with a Range.
    Ranges,
    /// GET of manifests.
    Documents,
    /// Whose path contains this.
    Path(String),
}

/// One thing that is wrong with an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    Cut(u64),
    /// The body stops after so many bytes, and nothing more ever comes.
    Stall(u64),
    /// So many bytes at once, then this pause.
    Slow(usize, Duration),
    /// After the body, bytes without end (and no Content-Length).
    Endless,
    /// Content-Length says this; the body is what it is.
    Length(u64),
    /// As many bytes, but others.
    OtherBytes,
    /// A Range is answered by 200 and the whole.
    IgnoreRange,
    /// A Range is answered by 206 with this Content-Range.
    ContentRange(String),
    /// This status, with this Retry-After.
    Status(u16, Option<String>),
    /// 307 to this url; a `*` in it stands for the path that was asked for.
    Redirect(String),
    /// No Docker-Content-Digest.
    NoDigest,
    /// This Docker-Content-Digest.
    Digest(String),
    /// This Content-Type.
    ContentType(String),
    /// Tag pages of at most so many.
    PageSize(usize),
    /// This Link header.
    Link(String),
    /// This body, with status 200.
    Body(String),
    /// The connection ends once so many bytes of what is sent have come; they are kept.
    CutUpload(usize),
    /// Of what is sent some is taken, and then nothing more ever is.
    StallUpload,
    /// A request with more bytes than these is answered by 413.
    MostBytes(u64),
    /// An upload's Location names the host.
    AbsoluteLocation,
    /// The connection ends with no answer.
    Hangup,
    /// Nothing is ever answered.
    Silent,
    /// The answer comes after this time.
    Late(Duration),
    /// One more Docker-Content-Digest.
    AlsoDigest(String),
    /// This WWW-Authenticate, with status 401.
    Challenge(String),
    /// This Location.
    Location(String),
    /// A header of so many bytes.
    LongHeader(usize),
    /// All tokens are void from now on; where a challenge follows, whether it says so (`invalid_token`).
    Revoke(bool),
    /// Once it is answered, all tags point there.
    Moves(Digest),
    /// The Link to a page that was not there yet, however often.
    EndlessPages,
    /// Of a part so many bytes are taken.
    Takes(usize),
}

/// A fault, where it strikes, and how often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    on: On,
    fault: Fault,
    skip: u32,
    times: u32,
}

impl Rule {
    /// A fault that strikes each time.
    pub fn new(on: On, fault: Fault) -> Self {
        Self { on, fault, skip: 0, times: u32::MAX }
    }

    /// Only the first `times` times.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Not the first `skip` times.
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    fn strikes(&mut self, method: &Method, path: &str, headers: &HeaderMap) -> bool {
        let uploads = path.contains("/blobs/uploads/");
        let matches = match &self.on {
            On::Everything => true,
            On::Blobs => path.contains("/blobs/"),
            On::Manifests => path.contains("/manifests/"),
            On::Heads => path.contains("/manifests/") && method == Method::HEAD,
            On::Documents => path.contains("/manifests/") && method == Method::GET,
            On::Tags => path.ends_with("/tags/list"),
            On::Token => path == "/token",
            On::Patches => method == Method::PATCH,
            On::Closings => uploads && method == Method::PUT,
            On::Ranges => headers.contains_key(http::header::RANGE),
            On::Path(part) => path.contains(part),
        };
        if !matches {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let strikes = self.times > 0;
        self.times = self.times.saturating_sub(1);
        strikes
    }
}

/// The faults that strike this request.
pub(super) fn striking(
    rules: &mut [Rule],
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Vec<Fault> {
    rules
        .iter_mut()
        .filter_map(|rule| rule.strikes(method, path, headers).then(|| rule.fault.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_strikes_after_its_skips_and_as_often_as_it_says() {
        let mut rules = [Rule::new(On::Blobs, Fault::Endless).after(1).times(2)];
        let none = HeaderMap::new();
        let mut strikes = |path| striking(&mut rules, &Method::GET, path, &none).len();
        assert_eq!(strikes("/v2/x/manifests/1"), 0);
        let struck: Vec<_> = (0..5).map(|_| strikes("/v2/x/blobs/1")).collect();
        assert_eq!(struck, [0, 1, 1, 0, 0]);
    }
}
