//! Tests of the credentials that Docker's and podman's files and credential helpers store.

use secrecy::ExposeSecret as _;

use super::*;

/// Looks up the credential for `r.io:5000`. `config` is the content of config.json, and
/// `helper` is the script of the credential helper. Returns the user name, or `<token>` for a
/// refresh token, and the secret. Returns `None` if there is no credential. Fails if the helper
/// or the configuration is refused.
fn found(config: &str, helper: Option<&str>) -> Result<Option<(String, String)>, Failure> {
    found_in(config.as_bytes(), helper, Writer::Docker)
}

fn found_in(
    config: &[u8],
    helper: Option<&str>,
    writer: Writer,
) -> Result<Option<(String, String)>, Failure> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    if let Some(script) = helper {
        let path = dir.path().join("docker-credential-test");
        crate::registry::auth::surroundings::script(
            &path,
            &format!("read -r server || true\n{script}"),
        );
    }
    let folder = dir.path().to_str().unwrap();
    let surroundings = Surroundings::of(&[("PATH", folder)]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let place = Place {
        path: dir.path().join("config.json"),
        writer,
    };
    let found = runtime.block_on(find(&place, "r.io:5000", Some("a/b"), &surroundings))?;
    let Search::Found(found) = found else {
        return Ok(None);
    };
    Ok(Some(match found.credential {
        Credential::Password { username, password } => {
            (username, password.expose_secret().to_owned())
        }
        Credential::Refresh(token) => (TOKEN.to_owned(), token.expose_secret().to_owned()),
        other => panic!("{other:?}"),
    }))
}

#[test]
fn file_itself_is_read() {
    let pair = |name: &str, secret: &str| Ok(Some((name.to_owned(), secret.to_owned())));
    assert_eq!(found("{}", None), Ok(None));
    assert_eq!(
        found(r#"{"auths":{"other.io":{"auth":"bWU6cA=="}}}"#, None),
        Ok(None)
    );
    assert_eq!(
        found(r#"{"auths":{"r.io:5000":{"auth":"bWU6czpj"}}}"#, None),
        pair("me", "s:c")
    );
    assert_eq!(
        found(
            r#"{"auths":{"https://r.io:5000/v1/":{"auth":"bWU6czpj"}}}"#,
            None
        ),
        pair("me", "s:c")
    );
    assert_eq!(
        found(r#"{"auths":{"r.io:5000":{"auth":"bWU6\nczpj\n"}}}"#, None),
        pair("me", "s:c")
    );
    let azure = r#"{"auths":{"r.io:5000":{"auth":"MDA6","identitytoken":"abc"}}}"#;
    assert_eq!(found(azure, None), pair(TOKEN, "abc"));
    let wrong = found(r#"{"auths":{"r.io:5000":{"auth":"c2VjcmV0"}}}"#, None).unwrap_err();
    assert!(wrong.problem.contains("user:password"), "{wrong}");
    let wrong = found(r#"{"auths":"s3cret"}"#, None).unwrap_err();
    assert!(
        !wrong.problem.contains("s3cret") && wrong.problem.contains("line 1"),
        "{wrong}"
    );
}

#[test]
fn helpers_are_asked() {
    let pair = |name: &str, secret: &str| Ok(Some((name.to_owned(), secret.to_owned())));
    let own = r#"{"credsStore":"absent","credHelpers":{"r.io:5000":"test"}}"#;
    let echo = r#"echo "{\"ServerURL\":\"$server\",\"Username\":\"$1\",\"Secret\":\"$server\"}""#;
    assert_eq!(found(own, Some(echo)), pair("get", "r.io:5000"));
    let store = r#"{"credsStore":"test","auths":{"r.io:5000":{"auth":"bWU6czpj"}}}"#;
    let token = r#"echo '{"Username":"<token>","Secret":"abc"}'"#;
    assert_eq!(found(store, Some(token)), pair(TOKEN, "abc"));
    let absent = "echo credentials not found in native keychain; exit 1";
    assert_eq!(found(store, Some(absent)), pair("me", "s:c"));
    let locked = found(store, Some("echo the keychain is locked; exit 1")).unwrap_err();
    assert!(
        locked.problem.contains("is locked") && locked.exit_code() == 4,
        "{locked}"
    );
    let strange = found(store, Some("echo s3cret")).unwrap_err();
    assert!(!strange.problem.contains("s3cret"), "{strange}");
    assert!(
        found(store, None)
            .unwrap_err()
            .problem
            .contains("not on PATH")
    );
}

#[test]
fn bytes_before_the_text_are_known() {
    let text = r#"{"auths":{"r.io:5000":{"auth":"bWU6czpj"}},"credHelpers":null}"#;
    let marked = [BYTE_ORDER_MARK, text.as_bytes()].concat();
    let pair = Some(("me".to_owned(), "s:c".to_owned()));
    for writer in [Writer::Docker, Writer::Podman] {
        assert_eq!(found_in(&marked, None, writer), Ok(pair.clone()));
        assert_eq!(found_in(b" \n", None, writer), Ok(None));
        let wide: Vec<u8> = "\u{feff}{}"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let refused = found_in(&wide, None, writer).unwrap_err();
        assert!(refused.problem.contains("UTF-16"), "{refused}");
    }
}

#[test]
fn each_program_has_its_own_helpers() {
    let echo = r#"echo "{\"Username\":\"me\",\"Secret\":\"$server\"}""#;
    let store = br#"{"credsStore":"test"}"#;
    let named = br#"{"credHelpers":{"r.io:5000":"test"}}"#;
    let answer = Some(("me".to_owned(), "r.io:5000".to_owned()));
    assert_eq!(
        found_in(store, Some(echo), Writer::Docker),
        Ok(answer.clone())
    );
    assert_eq!(found_in(store, Some(echo), Writer::Podman), Ok(None));
    assert_eq!(found_in(named, Some(echo), Writer::Podman), Ok(answer));
    // The key of a helper is the host alone: no URL, no path and no other case.
    for key in ["https://r.io:5000/", "r.io:5000/a", "R.io:5000", "r.io"] {
        let other = format!(r#"{{"credHelpers":{{"{key}":"test"}}}}"#);
        for writer in [Writer::Docker, Writer::Podman] {
            let found = found_in(other.as_bytes(), Some(echo), writer);
            assert_eq!(found, Ok(None), "{key}");
        }
    }
    // An empty name switches the helper for all registries off.
    let off = br#"{"credsStore":"test","credHelpers":{"r.io:5000":""}}"#;
    assert_eq!(found_in(off, Some(echo), Writer::Docker), Ok(None));
}

#[test]
fn origin_names_the_entry_if_it_is_for_a_path() {
    let config = r#"{"auths":{"r.io:5000":{"auth":"bWU6cA=="},"r.io:5000/a":{"auth":"eW91OnA="}}}"#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.json");
    std::fs::write(&path, config).unwrap();
    let place = Place {
        path,
        writer: Writer::Podman,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let surroundings = Surroundings::of(&[]);
    let search = find(&place, "r.io:5000", Some("a/b"), &surroundings);
    let Ok(Search::Found(found)) = runtime.block_on(search) else {
        panic!("nothing found");
    };
    assert!(
        found.origin.ends_with("auth.json, entry r.io:5000/a"),
        "{}",
        found.origin
    );
}
