//! Tests of reading sample files, and of comparing answers with the expected ones.

use super::*;

fn read(text: &str) -> Result<Sample, ManifestError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.json");
    std::fs::write(&path, text).unwrap();
    Sample::read(&path)
}

#[test]
fn answers_are_the_same_within_the_tolerance() {
    #[track_caller]
    fn check(outputs: &str, answer: &str, expected: Result<(), &str>) {
        let sample = read(&format!("{{\"inputs\": [], \"outputs\": {outputs}}}")).unwrap();
        let compared = sample.first.compare(answer.as_bytes());
        match (compared.map_err(|error| error.to_string()), expected) {
            (Ok(()), Ok(())) => {}
            (Err(text), Err(part)) => assert!(text.contains(part), "{text}"),
            (found, _) => panic!("{answer}: {found:?}"),
        }
    }
    let same = |outputs: &str, answer: &str| check(outputs, answer, Ok(()));
    let other = |outputs: &str, answer: &str, part: &str| check(outputs, answer, Err(part));
    same("[0.5, 1]", "[0.50009, 1.0]");
    other("[0.5]", "[0.5002]", "/0 is 0.5002, and the sample says 0.5");
    same("[1000000.0]", "[1000090.0]");
    other("[1000000.0]", "[1000110.0]", "/0");
    same(
        "{\"label\": [7], \"p\": [[0, 1]]}",
        "{\"p\": [[1e-9, 1.0]], \"label\": [7]}",
    );
    other(
        "{\"label\": [7]}",
        "{\"label\": [8]}",
        "/label/0 is 8, and the sample says 7",
    );
    other(
        "9007199254740993",
        "9007199254740992",
        "the answer is 9007199254740992",
    );
    let exact = read("{\"inputs\": [], \"outputs\": 9007199254740993, \"tolerance\": 0}").unwrap();
    assert!(exact.first.compare(b"9007199254740992.0").is_err());
    other(
        "[1, 2]",
        "[1]",
        "is a list of 1, and the sample says a list of 2",
    );
    other("{\"a\": 1}", "{\"b\": 1}", "an object of [\"b\"]");
    other("[\"cat\"]", "[\"dog\"]", "/0 is \"dog\"");
    same("[null, true, \"x\"]", "[null, true, \"x\"]");
    other("[0.5]", "[null]", "/0 is null");
    other("{\"a/b~1\": [1]}", "{\"a/b~1\": [2]}", "/a~1b~01/0 is 2");
    other("[0.5]", "nothing", "is not JSON");
    other(&format!("\"{}\"", "a".repeat(999)), "1", "aaa…");
    let any = read("{\"inputs\": {}}").unwrap();
    assert!(any.first.compare(b"anything").is_ok());
}

#[test]
fn a_file_that_is_not_a_sample_is_refused_with_its_form() {
    #[track_caller]
    fn check(text: &str, part: &str) {
        let message = read(text).unwrap_err().to_string();
        assert!(
            message.contains(part) && message.contains("fix: write {\"inputs\""),
            "{message}"
        );
    }
    check("", "the file is empty");
    check("[]", "is not a sample");
    check("{\"outputs\": []}", "missing field `inputs`");
    check("{\"inputs\": [], \"output\": []}", "unknown field `output`");
    check("{\"inputs\": [], \"tolerance\": -1}", "`tolerance`");
    let missing = Sample::read(Path::new("/nowhere/sample.json"))
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("/nowhere/sample.json: the sample cannot be read"),
        "{missing}"
    );
    let exact =
        read("{\"inputs\": {\"x\": [18446744073709551615, 0.1e-400]}, \"tolerance\": 0}").unwrap();
    assert_eq!(
        exact.payload().body.as_ref(),
        b"{\"x\": [18446744073709551615, 0.1e-400]}"
    );
}

#[test]
fn a_file_may_hold_several_samples() {
    let text = "{\"inputs\": [1], \"outputs\": 1}\n{\n\"inputs\": [2], \"outputs\": 2}\n";
    let sample = read(text).unwrap();
    assert_eq!(sample.cases().count(), 2);
    assert!(sample.has_answers());
    let (number, second) = sample.cases().last().unwrap();
    let error = sample.in_one(number, second.compare(b"3").unwrap_err());
    assert_eq!(
        error.to_string(),
        "the answer is 3, and the sample says 2, in the sample number 2"
    );
    assert!(
        !read("{\"inputs\": 1, \"outputs\": 1} {\"inputs\": 2}")
            .unwrap()
            .has_answers()
    );
}
