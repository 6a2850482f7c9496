//! Tests without a host: `cargo test`.

use scorebox_guest::testing::{self, Host};
use scorebox_guest::{Error, NamedTensor};

use super::Risk;

fn scored(rows: &[[f32; 3]]) -> Result<Vec<f32>, Error> {
    let host = Host::new().model("model").unwrap().install();
    let rows = NamedTensor::new("rows", [rows.len(), 3], rows.as_flattened());
    let outputs = testing::score_tensors(&mut host.start_tensors::<Risk>()?, [rows])?;
    Ok(outputs[0].values::<f32>()?.into_owned())
}

#[test]
fn each_row_has_its_probability() {
    let found = scored(&[[1.0, 2.0, 0.5], [0.0, 0.0, 0.0]]).unwrap();
    let expected = [0.437_823_5, 0.268_941_43];
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
}

#[test]
fn a_negative_income_is_rejected() {
    let refused = scored(&[[-1.0, 2.0, 0.5]]);
    assert!(matches!(refused, Err(Error::Rejected(problem)) if problem.code == "negative-income"));
}
