//! Pages of lists. A page ends with a cursor: the key to go on behind, encrypted for this list and this filter, so that pages
//! neither repeat nor skip what is there from the first to the last, whatever is added or removed meanwhile. The key may be
//! one that who asks may not see, so neither it nor its length can be read.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use mezite_api::{Invalid, Problem, ProblemCode};
use serde::Serialize;
use uuid::Uuid;

use super::request::Request;
use super::response::Response;

/// Most items of a page, and as many as there are where nothing is said.
pub const PAGE_MAX: usize = 1000;
/// Keys are filled up to a multiple of so many bytes.
const KEY_BLOCK: usize = 256;
/// Longest cursor that is looked at.
const CURSOR_MAX: usize = 2048;

/// The secret that encrypts cursors, the same for every gateway of a cluster.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

impl CursorKey {
    /// Derived from a secret of the cluster.
    pub fn derive(secret: &[u8]) -> Self {
        Self(blake3::derive_key("mezite 2026-11 encrypted list cursor", secret))
    }

    /// Nonce and ciphertext of a key, good for this list; nothing where the system gives no random numbers.
    fn seal(&self, list: &str, key: &str) -> Option<Vec<u8>> {
        let mut text = key.as_bytes().to_vec();
        text.resize((text.len() + 1).next_multiple_of(KEY_BLOCK), 0);
        let nonce = self.cipher()?.seal_in_place_append_tag(Aad::from(list), &mut text).ok()?;
        Some([nonce.as_ref().as_slice(), &text].concat())
    }

    fn open(&self, list: &str, sealed: &[u8]) -> Option<String> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let key = self.cipher()?.open_in_place(nonce, Aad::from(list), &mut text).ok()?;
        let end = key.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        String::from_utf8(key.get(..end)?.to_vec()).ok()
    }

    fn cipher(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM_SIV, &self.0).ok()
    }
}

/// Which page of a list is asked for.
pub struct Paging<'a> {
    secret: &'a CursorKey,
    /// Path and filter: a cursor is good for one list only.
    list: String,
    /// The page begins behind this key.
    pub after: Option<String>,
    /// At most so many items.
    pub limit: usize,
}

impl<'a> Paging<'a> {
    /// Reads `limit` and `cursor`.
    pub fn of(request: &Request, secret: &'a CursorKey) -> Result<Self, Problem> {
        let limit = request.query.get("limit").map(|text| {
            let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
            limit.ok_or_else(|| Invalid::new("limit", format!("must be a number from 1 to {PAGE_MAX}")))
        });
        let mut paging = Self {
            secret,
            list: list_of(request),
            after: None,
            limit: limit.transpose()?.unwrap_or(PAGE_MAX),
        };
        if let Some(cursor) = request.query.get("cursor") {
            let invalid = || Invalid::new("cursor", "must be one that a page of this list has ended with");
            paging.after = Some(paging.open(cursor).ok_or_else(invalid)?);
        }
        Ok(paging)
    }

    fn open(&self, cursor: &str) -> Option<String> {
        if cursor.len() > CURSOR_MAX {
            return None;
        }
        self.secret.open(&self.list, &URL_SAFE_NO_PAD.decode(cursor).ok()?)
    }

    fn cursor(&self, key: &str) -> Option<String> {
        Some(URL_SAFE_NO_PAD.encode(self.secret.seal(&self.list, key)?))
    }

    /// The page of a list that is there whole; `key` gives each item's own place in its order.
    pub fn cut<T: Serialize>(&self, items: Vec<T>, key: impl Fn(&T) -> String) -> Response {
        let mut keyed: Vec<(String, T)> = items.into_iter().map(|item| (key(&item), item)).collect();
        keyed.retain(|(key, _)| self.after.as_ref().is_none_or(|after| key > after));
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let more = keyed.len() > self.limit;
        keyed.truncate(self.limit);
        let next = keyed.last().filter(|_| more).map(|(key, _)| key.clone());
        let page: Vec<T> = keyed.into_iter().map(|(_, item)| item).collect();
        self.page(&page, next.as_deref())
    }

    /// A page, and the key to go on behind while there may be more.
    pub fn page<T: Serialize>(&self, items: &[T], next: Option<&str>) -> Response {
        let Some(next) = next.map(|key| self.cursor(key)) else { return Response::json(200, &items) };
        // Without it the list would look as if it had ended.
        let Some(cursor) = next else {
            return Problem::new(ProblemCode::Internal, "the next page cannot be named").into();
        };
        let joint = if self.list.contains('?') { '&' } else { '?' };
        let next = Some(format!("{}{joint}limit={}&cursor={cursor}", self.list, self.limit));
        Response { next, ..Response::json(200, &items) }
    }
}

/// The place of something in a list by time.
pub fn ordered(time: Option<Timestamp>, id: Uuid) -> String {
    // Before 1970 nothing was recorded; what has no time comes first.
    let micros = time.map_or(0, |time| time.as_microsecond().max(0));
    format!("{micros:020} {id}")
}

/// The path and the query without what says which page.
fn list_of(request: &Request) -> String {
    let query = request.query.without(&["limit", "cursor"]);
    if query.is_empty() { request.path.clone() } else { format!("{}?{query}", request.path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::caller::Caller;
    use crate::http::request::{Method, Query};

    fn request(target: &str) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Request {
            method: Method::Get,
            path: path.to_owned(),
            query: Query::parse(query).unwrap(),
            body: Vec::new().into(),
            caller: Caller::Operator(0),
            if_none_match: None,
            if_match: None,
            params: Vec::new(),
        }
    }

    fn items(response: &Response) -> Vec<String> {
        let crate::http::response::Body::Bytes(body) = &response.body else { panic!("a file") };
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn hostile_085_pages_neither_repeat_nor_skip() {
        let secret = CursorKey::derive(b"secret");
        let mut all: Vec<String> = ["prod", "prod-2", "prod.x", "a", "z", "m"].map(str::to_owned).to_vec();
        let (mut seen, mut target) = (Vec::new(), "/v1/users?labels=a%3Db&limit=2".to_owned());
        loop {
            let request = request(&target);
            let page = Paging::of(&request, &secret).unwrap().cut(all.clone(), String::clone);
            seen.extend(items(&page));
            // What a page has ended with is removed, and something before it is added.
            all.retain(|item| Some(item) != seen.last());
            all.push("0".to_owned());
            match page.next {
                Some(next) => target = next,
                None => break,
            }
        }
        assert_eq!(seen, ["a", "m", "prod", "prod-2", "prod.x", "z"]);
    }

    #[test]
    fn a_cursor_tells_nobody_the_key_nor_its_length() {
        let secret = CursorKey::derive(b"secret");
        let request = request("/v1/reachable");
        let paging = Paging::of(&request, &secret).unwrap();
        let cursors = ["a", "a-hidden-node.example.com"].map(|key| paging.cursor(key).unwrap());
        assert_eq!(cursors[0].len(), cursors[1].len());
        for (cursor, key) in cursors.iter().zip(["a", "a-hidden-node.example.com"]) {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap();
            assert!(!bytes.windows(6).any(|part| part == b"hidden"));
            assert_eq!(paging.open(cursor).as_deref(), Some(key));
        }
    }

    #[test]
    fn hostile_085_cursors_that_are_not_of_this_list_are_refused() {
        let secret = CursorKey::derive(b"secret");
        let all: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let first = Paging::of(&request("/v1/users?limit=1"), &secret).unwrap().cut(all, String::clone);
        let next = first.next.unwrap();
        let cursor = next.split_once("cursor=").unwrap().1;
        assert!(Paging::of(&request(&next), &secret).is_ok());
        let other = CursorKey::derive(b"other");
        assert!(Paging::of(&request(&next), &other).is_err(), "of another cluster");
        let mut forged = cursor.to_owned();
        forged.replace_range(0..1, if forged.starts_with('A') { "B" } else { "A" });
        for target in [
            format!("/v1/roles?cursor={cursor}"),
            format!("/v1/users?labels=a%3Db&cursor={cursor}"),
            format!("/v1/users?cursor={forged}"),
            format!("/v1/users?cursor={}", "A".repeat(4096)),
            "/v1/users?cursor=".to_owned(),
            "/v1/users?cursor=%00".to_owned(),
            "/v1/users?cursor=YQ".to_owned(),
        ] {
            let problem = Paging::of(&request(&target), &secret).err().unwrap_or_else(|| panic!("{target}"));
            assert_eq!((problem.code, problem.field.as_deref()), (ProblemCode::Invalid, Some("cursor")));
        }
        for limit in ["0", "1001", "-1", "x", ""] {
            assert!(Paging::of(&request(&format!("/v1/users?limit={limit}")), &secret).is_err(), "{limit}");
        }
    }
}
