//! Tests of the reading of an inspected image's layers into the file system of a container.

use super::*;
use crate::image::{Code, Compression, Content, Inputs, plan};

fn inputs(compression: Compression) -> Inputs {
    let content = |text: &str| Content::Bytes(text.as_bytes().to_vec());
    let file = |path: &str| BTreeMap::from([(path.to_owned(), content(path))]);
    Inputs {
        name: "x".into(),
        version: String::new(),
        world: "tensor-scoring".into(),
        wit_version: "0.1.0".into(),
        code: Code::Graph,
        model_digest: Some(Digest::of(b"m").to_string()),
        epoch: 0,
        base: None,
        compression,
        model_compression: Compression::Stored,
        host: content("host"),
        engine: file("libonnxruntime.so"),
        pack: None,
        libraries: file("/lib/x86_64-linux-gnu/libc.so.6"),
        app: BTreeMap::from([
            ("scorebox.toml".into(), content("[scorer]")),
            ("score/function.json".into(), content("{}")),
        ]),
        model: BTreeMap::from([
            ("model/a/b.onnx".into(), content("m")),
            ("model/c.onnx".into(), content("n")),
        ]),
    }
}

fn base_layer(bytes: &[u8], media_type: &str) -> BaseLayer {
    let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
    let (urls, annotations) = (Vec::new(), BTreeMap::new());
    BaseLayer {
        media_type: media_type.to_owned(),
        digest,
        size,
        urls,
        annotations,
    }
}

#[test]
fn every_layer_that_package_writes_is_right_in_each_compression() {
    for compression in [
        Compression::Gzip,
        Compression::Fast,
        Compression::Zstd,
        Compression::Stored,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layer");
        let mut contents = Contents::new(0);
        let plan = plan(&inputs(compression));
        assert_eq!(plan.layers.len(), 6);
        for (number, layer) in plan.layers.iter().enumerate() {
            let (bytes, written) = layer::write(layer, 0, Vec::new()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
            let found = contents.add(
                number,
                Some(layer.name),
                &path,
                &base_layer(&bytes, written.media_type),
            );
            let found = found.unwrap();
            assert_eq!(
                (found.diff_id, found.problem),
                (written.diff_id, None),
                "{}",
                layer.name
            );
        }
        contents.finish();
        assert_eq!(contents.intrusions, [] as [&str; 0]);
        let paths: Vec<_> = contents
            .files
            .keys()
            .map(|path| path.rsplit('/').next().unwrap())
            .collect();
        let all = [
            "b.onnx",
            "c.onnx",
            "function.json",
            "scorebox.toml",
            "libc.so.6",
            "scorebox",
            "libonnxruntime.so",
        ];
        assert!(
            paths.len() == all.len() && all.iter().all(|name| paths.contains(name)),
            "{paths:?}"
        );
    }
}

#[test]
fn members_frames_and_gaps_of_a_stored_layer_are_read_through() {
    let plan = plan(&inputs(Compression::Stored));
    let (tar, written) = layer::write(plan.layers.last().unwrap(), 0, Vec::new()).unwrap();
    let (start, end) = tar.split_at(700);
    let gzip = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    // A frame that zstd readers skip, with three bytes in it.
    let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    let forms = [
        (
            "application/vnd.oci.image.layer.v1.tar+gzip",
            [gzip(start), gzip(b""), gzip(end)].concat(),
        ),
        (
            "application/vnd.oci.image.layer.v1.tar+zstd",
            [zstd(start), skipped.clone(), zstd(end)].concat(),
        ),
        (
            "application/vnd.oci.image.layer.v1.tar+zstd",
            [skipped, zstd(&tar)].concat(),
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layer");
    for (media_type, bytes) in forms {
        std::fs::write(&path, &bytes).unwrap();
        let add = |media_type: &str| {
            Contents::new(0)
                .add(0, Some("app"), &path, &base_layer(&bytes, media_type))
                .map(|found| found.diff_id)
        };
        assert_eq!(add(media_type).unwrap(), written.diff_id, "{media_type}");
        let other = "application/vnd.oci.image.layer.v1.tar";
        assert!(
            add(other).unwrap_err().to_string().contains("of the type"),
            "{media_type}"
        );
        assert!(
            add("application/x-evil\n")
                .unwrap_err()
                .to_string()
                .contains("x-evil\\n"),
            "{media_type}"
        );
    }
}
