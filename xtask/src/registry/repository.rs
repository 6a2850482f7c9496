//! One repository of a registry, as something to ask.
//!
//! Owns its addresses, the scopes of its questions, and the way to a blob that stands somewhere else. Must not know why anything is asked.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, Url};

use super::access::Access;
use super::answer;
use super::bounds::{self, Allowance};
use super::session::Session;
use crate::digest::Digest;
use crate::failure::{Failure, Kind};

/// A registry sends a reader to its storage, and that perhaps to another one.
const MOST_REDIRECTS: u32 = 5;
/// Of a whole answer that is as large as a layer; a pause within it is bounded where it is read.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(24 * 3600);

/// A repository.
#[derive(Debug)]
pub struct Repository {
    session: Session,
    base: Url,
    scope: String,
    /// What may be read from it, and what was read.
    pub allowance: Allowance,
    /// Host and port of the registry.
    pub registry: String,
    /// The image's name.
    pub name: String,
}

/// What a repository is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reading.
    Pull,
    /// Reading and writing.
    Push,
}

impl Repository {
    /// Prepares for questions; asks none.
    pub fn open(access: &Access, name: &str, purpose: Purpose) -> Result<Self, Failure> {
        Self::of(Session::new(access)?, access, name, purpose)
    }

    /// Without credentials.
    #[cfg(test)]
    pub fn new(registry: &str, name: &str, plain_http: bool) -> Result<Self, Failure> {
        let access = super::access::Identity::default().access(registry, plain_http, false);
        let session = Session::within(&access, super::auth::Surroundings::of(&[]))?;
        Self::of(session, &access, name, Purpose::Push)
    }

    fn of(session: Session, access: &Access, name: &str, purpose: Purpose) -> Result<Self, Failure> {
        let base = Self::address(session.root(), name)?;
        Ok(Self {
            session,
            base,
            scope: scope(name, purpose),
            allowance: Allowance::new(access.most_download_bytes),
            registry: access.registry.clone(),
            name: name.to_owned(),
        })
    }

    /// Where a repository of a registry is.
    pub fn address(root: &Url, name: &str) -> Result<Url, Failure> {
        let base = format!("{root}{name}/");
        Url::parse(&base)
            .map_err(|error| Failure::project(format!("`{base}`: {error}"), "check registry and repository"))
    }

    /// A place below the repository.
    pub fn url(&self, path: &str) -> Result<Url, Failure> {
        let base = &self.base;
        base.join(path)
            .map_err(|error| Failure::other(format!("{base}{path}: {error}"), "check registry and repository"))
    }

    /// Whether two are of one registry, so that blobs can be mounted from one into the other.
    pub fn is_neighbour_of(&self, other: &Self) -> bool {
        is_same_origin(&self.base, &other.base)
    }

    /// Asks, with whatever the registry wants to see of who asks, and again while it is busy.
    pub async fn send(&self, action: &str, request: impl Fn(&Client) -> RequestBuilder) -> Result<Response, Failure> {
        self.session.send(action, std::slice::from_ref(&self.scope), |client| Some(request(client))).await
    }

    /// Asks something that perhaps can be asked only once: when there is no second request, the answer to the first counts.
    pub async fn send_once(
        &self,
        action: &str,
        request: impl Fn(&Client) -> Option<RequestBuilder>,
    ) -> Result<Response, Failure> {
        self.session.send(action, std::slice::from_ref(&self.scope), request).await
    }

    /// The same for something that also reads another repository of this registry.
    pub async fn send_beside(
        &self,
        neighbour: &str,
        action: &str,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        let scopes = [self.scope.clone(), scope(neighbour, Purpose::Pull)];
        self.session.send(action, &scopes, |client| Some(request(client))).await
    }

    /// Begins to read a blob, wherever the registry keeps it.
    pub async fn blob(&self, action: &str, digest: &Digest) -> Result<Response, Failure> {
        let first = self.url(&format!("blobs/{digest}"))?;
        let mut response = self.get(action, &first).await?;
        for _ in 0..MOST_REDIRECTS {
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                break;
            }
            let next = location(action, &response)?;
            response = self.get(action, &next).await?;
        }
        match response.status().as_u16() {
            200 => Ok(response),
            _ => Err(answer::unexpected(action, response).await),
        }
    }

    async fn get(&self, action: &str, url: &Url) -> Result<Response, Failure> {
        // The address of a storage carries its own right; the session shows it nothing of who asks.
        let asked = self.send(action, |client| client.get(url.clone()).timeout(LONGEST_DOWNLOAD));
        // That limit is for the body; whoever says nothing at all is not waited for as long.
        match tokio::time::timeout(bounds::LONGEST_FIRST_WAIT, asked).await {
            Ok(response) => response,
            Err(_) => Err(bounds::silent(action, bounds::LONGEST_FIRST_WAIT)),
        }
    }
}

/// As token services name it.
pub fn scope(repository: &str, purpose: Purpose) -> String {
    let actions = match purpose {
        Purpose::Pull => "pull",
        Purpose::Push => "pull,push",
    };
    format!("repository:{repository}:{actions}")
}

fn is_same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// A header of an answer, if it is there and is text.
pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Where an answer says to go on: absolute, or relative to the request.
pub fn location(action: &str, response: &Response) -> Result<Url, Failure> {
    let refused = |problem: &str, fix: &str| {
        let mut url = response.url().clone();
        // The query may hold the key of an upload session.
        url.set_query(None);
        Failure::new(Kind::Registry, format!("{action}: {url} {problem}"), fix)
    };
    let next = header(response, "location").and_then(|location| response.url().join(location).ok());
    let next = next.ok_or_else(|| {
        refused("gave no Location to go on at", "see whether this is a registry of the OCI distribution specification")
    })?;
    if response.url().scheme() == "https" && next.scheme() != "https" {
        return Err(refused(
            "leads to an address without TLS",
            "let the proxy before the registry pass on X-Forwarded-Proto, or mend the registry's own address in its settings",
        ));
    }
    Ok(next)
}
