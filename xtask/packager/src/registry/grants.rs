//! Rights that a registry grants to a user.
//!
//! Owns the requests that find out the rights, and leaves nothing behind in the registry. Must not
//! know how the results are shown.

use scorebox_workspace::failure::{Failure, Kind};

use super::access::Access;
use super::answer;
use super::repository::{Purpose, Repository, location, scope};
use super::session::Session;

/// Rights that a registry grants to a user, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// Origin of the credentials, and the scheme that they are sent with: `Basic` or `Bearer`.
    /// `None` if the registry demanded no credentials.
    pub who: Option<(String, &'static str)>,
    /// `Ok` if the repository can be read or does not exist, or the reason why it cannot be read. A
    /// reason of the kind [`Kind::Unavailable`] leaves open if the right is missing. `None` if no
    /// repository was given.
    pub pull: Option<Result<(), Failure>>,
    /// `Ok` if the repository can be written, or the reason why it cannot. A reason of the kind
    /// [`Kind::Unavailable`] leaves open if the right is missing. `None` if no repository was
    /// given.
    pub push: Option<Result<(), Failure>>,
}

/// Asks a registry for the rights of a user. If a repository is given, the rights to read and write
/// the repository are tested, too.
///
/// # Errors
/// Fails if the registry does not accept the credentials, if its response to the login is another
/// error, or if no response arrives. A missing right is not an error.
pub async fn find(access: &Access, repository: Option<&str>) -> Result<Grants, Failure> {
    let session = match repository {
        Some(name) => Session::new(&access.to_repository(name))?,
        None => Session::new(access)?,
    };
    ask(access, repository, &session).await
}

async fn ask(
    access: &Access,
    repository: Option<&str>,
    session: &Session,
) -> Result<Grants, Failure> {
    let action = format!("login at {}", access.registry);
    let response = session
        .send(&action, &[], |client| {
            Some(client.get(session.root().clone()))
        })
        .await?;
    if response.status() != 200 {
        return Err(answer::unexpected(&action, response).await);
    }
    let (mut pull, mut push) = (None, None);
    if let Some(name) = repository {
        pull = Some(verdict(may_pull(access, session, name).await)?);
        push = Some(verdict(may_push(access, session, name).await)?);
    }
    Ok(Grants {
        who: session.who().await,
        pull,
        push,
    })
}

/// Returns `outcome` in `Ok` if the registry granted or refused a right, or could not serve the
/// request. Returns any other failure, such as a missing response, as the error.
fn verdict(outcome: Result<(), Failure>) -> Result<Result<(), Failure>, Failure> {
    match outcome {
        Err(failure) if !matches!(failure.kind, Kind::Registry | Kind::Unavailable) => Err(failure),
        outcome => Ok(outcome),
    }
}

async fn may_pull(access: &Access, session: &Session, name: &str) -> Result<(), Failure> {
    let action = format!("reading {}/{name}", access.registry);
    let url = Repository::address(session.root(), name)?;
    let url = url.join("tags/list?n=1").unwrap_or(url);
    let scopes = [scope(name, Purpose::Pull)];
    let response = session
        .send(&action, &scopes, |client| Some(client.get(url.clone())))
        .await?;
    match response.status().as_u16() {
        // 404 means that the repository could be read if it existed.
        200 | 404 => Ok(()),
        _ => Err(answer::unexpected(&action, response).await),
    }
}

/// Starts an upload to the repository `name` and cancels it. Fails if the right to push is missing,
/// or if the registry does not respond. Registries have no other request that tests this right.
async fn may_push(access: &Access, session: &Session, name: &str) -> Result<(), Failure> {
    let action = format!("writing {}/{name}", access.registry);
    let url = Repository::address(session.root(), name)?;
    let url = url.join("blobs/uploads/").unwrap_or(url);
    let scopes = [scope(name, Purpose::Push)];
    let begin =
        |client: &reqwest::Client| Some(client.post(url.clone()).header("content-length", "0"));
    let response = session.send(&action, &scopes, begin).await?;
    if response.status() != 202 {
        return Err(answer::unexpected(&action, response).await);
    }
    if let Ok(upload) = location(&action, &response) {
        // If the cancel request fails, the registry discards the upload by itself after a while.
        let _ = session
            .send(&action, &scopes, |client| {
                Some(client.delete(upload.clone()))
            })
            .await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::access::Identity;
    use super::super::auth::Surroundings;
    use super::super::fake::{self, Request};
    use super::*;

    fn run(answers: Vec<&str>) -> (Result<Grants, Failure>, Vec<Request>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (registry, requests) = fake::start(answers);
        let access = Identity::default().access(&registry, true, true);
        let variables = [
            ("SCOREBOX_REGISTRY_USERNAME", "me"),
            ("SCOREBOX_REGISTRY_PASSWORD", "s3cret"),
        ];
        let session = Session::within(&access, Surroundings::of(&variables)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        (
            runtime.block_on(ask(&access, Some("digits"), &session)),
            requests.iter().collect(),
        )
    }

    #[test]
    fn rights_are_tried_and_nothing_is_left() {
        let basic = "401|www-authenticate: Basic realm=\"x\"";
        let (grants, requests) = run(vec![
            basic,
            "200",
            "404",
            "202|location: /v2/digits/blobs/uploads/1?s=a",
            "204",
        ]);
        let grants = grants.unwrap();
        assert_eq!((grants.pull, grants.push), (Some(Ok(())), Some(Ok(()))));
        assert_eq!(grants.who.unwrap().1, "Basic");
        let lines: Vec<_> = requests
            .iter()
            .map(|request| request.line.as_str())
            .collect();
        let asked = [
            "GET /v2/digits/tags/list?n=1",
            "POST /v2/digits/blobs/uploads/",
        ];
        assert_eq!(
            lines[2..],
            [asked[0], asked[1], "DELETE /v2/digits/blobs/uploads/1?s=a"]
        );

        let (grants, _) = run(vec![
            basic,
            "200",
            "200",
            "403||{\"errors\":[{\"code\":\"DENIED\"}]}",
        ]);
        let refused = grants.unwrap().push.unwrap().unwrap_err();
        assert!(
            refused.problem.contains("DENIED") && refused.fix.contains("right"),
            "{refused}"
        );
        let busy = "503|retry-after: 0";
        let (grants, _) = run(vec![basic, "200", "200", busy, busy, busy, busy]);
        let busy = grants.unwrap().push.unwrap().unwrap_err();
        assert_eq!(busy.kind, Kind::Unavailable, "{busy}");
        let (grants, _) = run(vec![basic, basic]);
        let refused = grants.unwrap_err();
        assert!(
            refused.problem.contains("wrong user name or password") && refused.exit_code() == 5,
            "{refused}"
        );
        assert!(!refused.to_string().contains("s3cret"));
        let (grants, _) = run(vec!["200", "200", "202"]);
        assert_eq!(grants.unwrap().who, None);
    }
}
