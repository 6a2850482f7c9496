//! One repository of a registry, as the target of requests.
//!
//! Owns the URLs in the repository, the scopes of its requests, and the redirects to a blob that is
//! stored elsewhere. Must not know why anything is requested.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, Url};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};

use super::access::Access;
use super::answer;
use super::bounds::{self, Allowance};
use super::session::Session;

/// Maximum number of redirects that are followed for a blob. A registry redirects to its storage,
/// which may redirect to another storage.
const MOST_REDIRECTS: u32 = 5;
/// Timeout for the response to a request for a blob, which may be a large layer. The pauses within
/// the response are limited where the body is read.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(24 * 3600);

/// A repository of a registry, with the session that authenticates requests to the registry.
#[derive(Debug)]
pub struct Repository {
    session: Session,
    base: Url,
    scope: String,
    /// Limit on the documents and blobs that one command may read from the repository, and the
    /// amounts that were read so far.
    pub allowance: Allowance,
    /// Host and port of the registry.
    pub registry: String,
    /// Name of the repository, e.g. `scoring/credit-risk`.
    pub name: String,
}

/// Access for which a repository is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The repository is opened for reading only.
    Pull,
    /// The repository is opened for reading and writing.
    Push,
}

impl Repository {
    /// Opens the repository `name` for the access in `purpose`, without sending a request. Fails if
    /// the registry and the name do not form a URL, or if the HTTP client cannot be created.
    pub fn open(access: &Access, name: &str, purpose: Purpose) -> Result<Self, Failure> {
        let session = Session::new(&access.to_repository(name))?;
        Self::of(session, access, name, purpose)
    }

    /// Opens the repository `name` without credentials, over HTTP if `plain_http` is true. This
    /// function is for tests. Fails if the registry and the name do not form a URL.
    #[cfg(test)]
    pub fn new(registry: &str, name: &str, plain_http: bool) -> Result<Self, Failure> {
        let access = super::access::Identity::default().access(registry, plain_http, false);
        let session = Session::within(&access, super::auth::Surroundings::of(&[]))?;
        Self::of(session, &access, name, Purpose::Push)
    }

    fn of(
        session: Session,
        access: &Access,
        name: &str,
        purpose: Purpose,
    ) -> Result<Self, Failure> {
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

    /// Returns the base URL of the repository `name`, e.g. `https://HOST/v2/NAME/`. `root` is the
    /// root URL of the registry's API. Fails if the name cannot be part of a URL.
    pub fn address(root: &Url, name: &str) -> Result<Url, Failure> {
        let base = format!("{root}{name}/");
        Url::parse(&base).map_err(|error| {
            Failure::project(
                format!("`{base}`: {error}"),
                "check registry and repository",
            )
        })
    }

    /// Returns the URL of a path relative to the base URL of the repository, e.g. of
    /// `blobs/uploads/`. Fails if the path cannot be part of a URL.
    pub fn url(&self, path: &str) -> Result<Url, Failure> {
        let base = &self.base;
        base.join(path).map_err(|error| {
            Failure::other(
                format!("{base}{path}: {error}"),
                "check registry and repository",
            )
        })
    }

    /// Returns true if this repository and `other` are in the same registry, so that blobs can be
    /// mounted from one into the other.
    pub fn is_neighbour_of(&self, other: &Self) -> bool {
        is_same_origin(&self.base, &other.base)
    }

    /// Sends a request with the authentication that the registry demands, and retries it while the
    /// registry is busy. `action` describes the request, and `request` builds it for each attempt.
    /// Fails if the registry does not accept the credentials or does not respond.
    pub async fn send(
        &self,
        action: &str,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        self.session
            .send(action, std::slice::from_ref(&self.scope), |client| {
                Some(request(client))
            })
            .await
    }

    /// Sends a request whose body may be available for one attempt only. `action` describes the
    /// request, and `request` builds it for each attempt. If `request` returns `None`, no further
    /// attempt is made and the response to the last attempt is returned. Fails if the registry does
    /// not accept the credentials or does not respond.
    pub async fn send_once(
        &self,
        action: &str,
        request: impl Fn(&Client) -> Option<RequestBuilder>,
    ) -> Result<Response, Failure> {
        self.session
            .send(action, std::slice::from_ref(&self.scope), request)
            .await
    }

    /// Sends a request that also reads the repository `neighbour` of this registry, e.g. to mount a
    /// blob. `action` describes the request, and `request` builds it for each attempt. Fails if the
    /// registry does not accept the credentials or does not respond.
    pub async fn send_beside(
        &self,
        neighbour: &str,
        action: &str,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        let scopes = [self.scope.clone(), scope(neighbour, Purpose::Pull)];
        self.session
            .send(action, &scopes, |client| Some(request(client)))
            .await
    }

    /// Requests the blob with this digest, and returns the response before its body is read.
    /// Redirects to the storage of the registry are followed. Fails if the registry does not have
    /// the blob, does not respond, or redirects more than `MOST_REDIRECTS` times. `action`
    /// describes the request.
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
        // The URL of a storage contains its own permission. The session sends no credentials to it.
        let asked = self.send(action, |client| {
            client.get(url.clone()).timeout(LONGEST_DOWNLOAD)
        });
        // The timeout of the request is for the whole body. A registry that sends nothing is given
        // up earlier.
        match tokio::time::timeout(bounds::LONGEST_FIRST_WAIT, asked).await {
            Ok(response) => response,
            Err(_) => Err(bounds::silent(action, bounds::LONGEST_FIRST_WAIT)),
        }
    }
}

/// Returns the scope that a request to a repository needs, in the notation of token services, e.g.
/// `repository:scoring/digits:pull`.
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

/// Returns the value of the header `name` of a response, or `None` if the header is missing or not
/// text.
pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
}

/// Returns the URL in the `Location` header of a response. The header may have an absolute URL, or
/// a URL relative to that of the request. Fails if the header is missing or leads from HTTPS to
/// HTTP. `action` describes the request.
pub fn location(action: &str, response: &Response) -> Result<Url, Failure> {
    let refused = |problem: &str, fix: &str| {
        let mut url = response.url().clone();
        // The query may contain the key of an upload session.
        url.set_query(None);
        Failure::new(Kind::Registry, format!("{action}: {url} {problem}"), fix)
    };
    let next = header(response, "location").and_then(|location| response.url().join(location).ok());
    let next = next.ok_or_else(|| {
        refused(
            "gave no Location to continue at",
            "see whether this is a registry of the OCI distribution specification",
        )
    })?;
    if response.url().scheme() == "https" && next.scheme() != "https" {
        return Err(refused(
            "leads to an address without TLS",
            "make the proxy in front of the registry send X-Forwarded-Proto, or correct the \
             registry's own address in its settings",
        ));
    }
    Ok(next)
}
