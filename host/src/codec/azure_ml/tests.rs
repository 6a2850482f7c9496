//! Tests of Azure ML's format: what is read and written for tensors, and what the error messages
//! say.

use super::*;
use crate::model::Dtype;

fn port(name: &str, dtype: Dtype, shape: &[Option<u64>]) -> Port {
    Port::new(name, dtype, shape.to_vec())
}

fn read(ports: &[Port], body: &[u8]) -> Result<Vec<Tensor>, ScoreFailure> {
    super::read(ports, Requests::default(), body)
}

fn floats() -> Vec<Port> {
    vec![port("x", Dtype::F32, &[None, Some(2)])]
}

#[test]
fn nested_lists_become_elements() {
    let body = br#" {"data": [[1, 2.5], [-3e1, 0]]} "#;
    let [tensor] = read(&floats(), body).unwrap().try_into().unwrap();
    assert_eq!(
        (tensor.name.as_str(), tensor.shape.as_slice()),
        ("x", [2, 2].as_slice())
    );
    let expected: Vec<u8> = [1f32, 2.5, -30.0, 0.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    assert_eq!(tensor.data, expected);
    assert_eq!(read(&floats(), br#"{"x": []}"#).unwrap()[0].shape, [0, 2]);
}

#[test]
fn a_misfit_is_named_by_its_pointer() {
    #[track_caller]
    fn check(body: &str, pointer: &str, expected: &str) {
        match read(&floats(), body.as_bytes()) {
            Err(ScoreFailure::NotConforming {
                message,
                pointer: found,
            }) => {
                assert_eq!(found, pointer, "{message}");
                assert!(message.contains(expected), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    check("", "", "not JSON");
    check("hello", "", "not JSON");
    check(r#"{"data": [[1, 2]}"#, "", "not JSON");
    check(r#"{"data": [[1, 2]]} x"#, "", "not JSON");
    check("[[1, 2]]", "", "not a JSON object");
    check("null", "", "not a JSON object");
    check("{}", "", "`x` is missing");
    check(r#"{"y": [[1, 2]]}"#, "/y", "no input of this name");
    check(r#"{"a/b~": 1}"#, "/a~1b~0", "no input of this name");
    check(r#"{"x": [[1, 2]], "data": [[1, 2]]}"#, "/data", "twice");
    check(r#"{"x": 1}"#, "/x", "a list, dimension 0 of [N, 2]");
    check(r#"{"x": [1, 2]}"#, "/x/0", "a list, dimension 1 of [N, 2]");
    check(
        r#"{"x": [[1, 2], [3]]}"#,
        "/x/1",
        "1 element, where 2 belong",
    );
    check(
        r#"{"x": [[1, 2, 3]]}"#,
        "/x/0",
        "3 elements, where 2 belong",
    );
    check(
        r#"{"x": [[1, [2]]]}"#,
        "/x/0/1",
        "a list, where an f32 element",
    );
    check(r#"{"x": [[1, "2"]]}"#, "/x/0/1", "a string");
    check(r#"{"x": [[null, 2]]}"#, "/x/0/0", "null");
    check(r#"{"x": [[1, true]]}"#, "/x/0/1", "a boolean");
    check(r#"{"x": [[1, {"a": 1}]]}"#, "/x/0/1", "an object");
    check(r#"{"x": [[1, 1e39]]}"#, "/x/0/1", "does not fit f32");
    let deep = format!("{{\"x\": {}", "[".repeat(100_000));
    assert!(read(&floats(), deep.as_bytes()).is_err());
}

#[test]
fn open_dimensions_must_agree_within_a_tensor() {
    let ragged = [port("x", Dtype::I64, &[None, None])];
    assert_eq!(
        read(&ragged, br#"{"x": [[1, 2, 3], [4, 5, 6]]}"#).unwrap()[0].shape,
        [2, 3]
    );
    let Err(ScoreFailure::NotConforming { pointer, .. }) =
        read(&ragged, br#"{"x": [[1, 2], [3]]}"#)
    else {
        panic!()
    };
    assert_eq!(pointer, "/x/1");
}

#[test]
fn every_type_survives_the_way_there_and_back() {
    #[track_caller]
    fn check(dtype: Dtype, text: &str) {
        let ports = [port("x", dtype, &[None])];
        let tensors = read(&ports, format!("{{\"x\":{text}}}").as_bytes()).unwrap();
        tensors[0].fits(&ports[0]).unwrap();
        assert_eq!(String::from_utf8(write(&tensors)).unwrap(), text);
    }
    check(Dtype::Bool, "[true,false]");
    check(Dtype::I8, "[-128,127]");
    check(Dtype::I16, "[-32768,32767]");
    check(Dtype::I32, "[-2147483648,2147483647]");
    check(Dtype::I64, "[-9223372036854775808,9223372036854775807]");
    check(Dtype::U8, "[0,255]");
    check(Dtype::U16, "[0,65535]");
    check(Dtype::U32, "[0,4294967295]");
    check(Dtype::U64, "[0,18446744073709551615]");
    check(Dtype::F16, "[0.5,-65504.0]");
    check(Dtype::Bf16, "[0.5,-256.0]");
    check(Dtype::F32, "[0.1,-16777216.0]");
    check(Dtype::F64, "[0.1,-1e+300]");
    for (dtype, text) in [
        (Dtype::U8, "256"),
        (Dtype::I8, "-129"),
        (Dtype::I64, "1.5"),
        (Dtype::F16, "70000"),
    ] {
        let body = format!("{{\"x\":[{text}]}}");
        assert!(
            read(&[port("x", dtype, &[None])], body.as_bytes()).is_err(),
            "{text}"
        );
    }
}

#[test]
fn several_outputs_are_an_object_and_what_json_lacks_is_null() {
    let label = Tensor {
        name: "label".into(),
        dtype: Dtype::I64,
        shape: vec![1],
        data: 7i64.to_le_bytes().into(),
    };
    let data = [f32::NAN, f32::INFINITY]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let odd = Tensor {
        name: "p".into(),
        dtype: Dtype::F32,
        shape: vec![1, 2],
        data,
    };
    assert_eq!(write(&[label, odd]), br#"{"label":[7],"p":[[null,null]]}"#);
}
