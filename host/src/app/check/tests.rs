//! Tests of the error for a scorer that does not pass its sample.

use super::*;
use crate::app::open_model;
use crate::error::exit_code;

#[test]
fn an_answer_unlike_the_sample_names_the_component_or_the_graph() {
    let check = |text: &str, name: &str, code: u8| {
        let app = tempfile::tempdir().unwrap();
        std::fs::create_dir(app.path().join("model")).unwrap();
        std::fs::write(app.path().join("model/m.onnx"), "x").unwrap();
        let text = format!("[scorer]\nname = \"x\"\nmodel = \"model\"\n{text}");
        std::fs::write(app.path().join("scorebox.toml"), text).unwrap();
        let manifest = Manifest::read(app.path()).unwrap();
        let model = open_model(&manifest).unwrap();
        let error = unlike_sample(&manifest, &model, "does not answer".to_owned());
        assert_eq!(exit_code::of_start(&error), code, "{error}");
        let place = app.path().join(name).display().to_string();
        assert!(
            error
                .to_string()
                .contains(&format!("{place}: does not answer")),
            "{error}"
        );
    };
    check("component = \"x.wasm\"\n", "x.wasm", exit_code::COMPONENT);
    check("", "model/m.onnx", exit_code::MODEL);
}
