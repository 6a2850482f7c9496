//! Tests of MLServer's parameter `content_type`.

use super::*;

/// Reads a request that has the parameters `whole`, and one input that has the parameters `own`.
/// Returns the data of the input, or the pointer and the message of the failure.
fn sent(dtype: Dtype, datatype: &str, whole: &str, own: &str) -> Result<Vec<u8>, (String, String)> {
    let data = if dtype == Dtype::Text { r#""a""# } else { "1" };
    let body = format!(
        r#"{{"inputs": [{{"name": "x", "shape": [1], "datatype": "{datatype}", "data": [{data}], "parameters": {own}}}], "parameters": {whole}}}"#
    );
    match read(both(&[port("x", dtype, &[None])]), body.as_bytes(), None) {
        Ok((mut tensors, _)) => Ok(tensors.remove(0).data),
        Err(ScoreFailure::NotConforming { message, pointer }) => Err((pointer, message)),
        Err(other) => panic!("{other:?}"),
    }
}

fn typed(name: &str) -> String {
    format!(r#"{{"content_type": "{name}"}}"#)
}

#[test]
fn texts_that_are_encoded_values_are_refused_by_the_name_of_their_content_type() {
    for name in ["pd_json", "base64", "hg_json", "hg_jsonlist"] {
        let named = typed(name);
        for (whole, own, place) in [
            ("null", named.as_str(), "/inputs/0/parameters/content_type"),
            ("{}", &named, "/inputs/0/parameters/content_type"),
            (&typed("pd"), &named, "/inputs/0/parameters/content_type"),
            (&named, "null", "/parameters/content_type"),
            (&named, "{}", "/parameters/content_type"),
        ] {
            let (pointer, message) = sent(Dtype::Text, "BYTES", whole, own).unwrap_err();
            assert_eq!(pointer, place, "{message}");
            assert!(message.contains(&format!("`{name}`")), "{message}");
            assert!(message.contains("`str`, `np` or `pd`"), "{message}");
        }
    }
}

#[test]
fn other_content_types_leave_a_text_as_it_is() {
    let text = Ok(b"\x01\0\0\0a".to_vec());
    for name in ["str", "np", "pd", "", "datetime", "PD_JSON", "\\u001b"] {
        assert_eq!(sent(Dtype::Text, "BYTES", "{}", &typed(name)), text);
        assert_eq!(sent(Dtype::Text, "BYTES", &typed(name), "{}"), text);
    }
    // The content type of the input takes precedence over that of the request.
    let (whole, own) = (typed("pd_json"), typed("str"));
    assert_eq!(sent(Dtype::Text, "BYTES", &whole, &own), text);
    for value in ["null", "1", "true", "[\"pd_json\"]", "{}"] {
        let own = format!(r#"{{"content_type": {value}}}"#);
        assert_eq!(sent(Dtype::Text, "BYTES", "{}", &own), text, "{value}");
    }
    // A number is a number with every content type.
    let (named, one) = (typed("pd_json"), 1f32.to_le_bytes().to_vec());
    assert_eq!(sent(Dtype::F32, "FP32", &named, &named), Ok(one));
}
