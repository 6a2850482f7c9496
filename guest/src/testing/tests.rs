//! Tests of the mock host.

use std::time::Duration;

use crate::cache::{self, Bucket, Condition, Lifetime, Swap};
use crate::graphs::{Graph, Input};
use crate::model::{self, Tensor};
use crate::redis::{self, Command, Connection};
use crate::testing::{Host, Value};
use crate::{Dtype, Error, config};

#[test]
fn without_a_host_nothing_is_there() {
    assert!(matches!(Tensor::open("a"), Err(model::Error::NotFound(_))));
    assert!(matches!(Bucket::open("a"), Err(cache::Error::NoSuchStore)));
    assert!(matches!(
        Connection::open("a"),
        Err(redis::Error::NoSuchConnection)
    ));
    assert!(Graph::open("a").is_err());
    assert!(config::all().unwrap().is_empty());
}

#[test]
fn hosts_are_installed_one_over_the_other() {
    let outer = Host::new().setting("a", "1").install();
    {
        let _inner = Host::new().setting("a", "2").install();
        assert_eq!(config::parsed("a").unwrap(), Some(2));
        let other = std::thread::spawn(|| config::text("a").unwrap());
        assert_eq!(other.join().unwrap(), None);
    }
    assert_eq!(config::parsed("a").unwrap(), Some(1));
    drop(outer);
    assert_eq!(config::text("a").unwrap(), None);
}

#[test]
fn tensors_are_read_as_the_host_reads_them() {
    let _host = Host::new()
        .tensor("m", [3, 2], &[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0])
        .tensor("n", [2], &[7_i64, -1])
        .tensor("s", [], &[0.5_f64])
        .install();
    let tensor = Tensor::open("m").unwrap();
    assert_eq!((tensor.dtype(), tensor.shape()), (Dtype::F32, &[3, 2][..]));
    assert_eq!(tensor.floats_in(1..3).unwrap(), [2.0, 3.0]);
    assert_eq!(
        tensor.rows(&[2, 0, 2]).unwrap(),
        [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]
    );
    assert!(matches!(tensor.rows(&[3]), Err(model::Error::OutOfRange)));
    assert!(matches!(
        tensor.floats_in(5..7),
        Err(model::Error::OutOfRange)
    ));
    let whole = Tensor::open("n").unwrap();
    assert_eq!(whole.integers().unwrap(), [7, -1]);
    assert!(matches!(
        whole.floats(),
        Err(model::Error::WrongType(Dtype::I64))
    ));
    let scalar = Tensor::open("s").unwrap();
    assert_eq!(scalar.floats().unwrap(), [0.5]);
    assert!(matches!(scalar.rows(&[0]), Err(model::Error::OutOfRange)));
    assert_eq!(scalar.rows(&[]).unwrap(), [0.0; 0]);
    let names: Vec<_> = model::tensors().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["m", "n", "s"]);
}

#[test]
fn rows_are_refused_in_the_order_of_the_host() {
    let _host = Host::new()
        .tensor("wide", [1, 17], &[0.5_f32; 17])
        .tensor("n", [2], &[7_i64, -1])
        .install();
    let wide = Tensor::open("wide").unwrap();
    let many = vec![0; 1 << 20];
    assert!(matches!(
        wide.rows(&many),
        Err(model::Error::TooLarge(limit)) if limit == 64 << 20
    ));
    assert!(matches!(
        wide.rows(&vec![1; 1 << 20]),
        Err(model::Error::OutOfRange)
    ));
    let more = [many, vec![0]].concat();
    let integers = Tensor::open("n").unwrap();
    for tensor in [&wide, &integers] {
        assert!(matches!(
            tensor.rows(&more),
            Err(model::Error::TooLarge(limit)) if limit == 8 << 20
        ));
    }
    for indices in [&[][..], &[2]] {
        assert!(matches!(
            integers.rows(indices),
            Err(model::Error::WrongType(Dtype::I64))
        ));
    }
}

#[test]
fn a_folder_is_read_with_its_tensors() {
    let folder = std::env::temp_dir().join(format!("scorebox-guest-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    let header = br#"{"__metadata__":{"by":"test"},"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    // 1.5, -2, the smallest subnormal number and infinity; then 3 as bfloat16.
    for bits in [0x3e00_u16, 0xc000, 0x0001, 0x7c00, 0x4040] {
        file.extend(bits.to_le_bytes());
    }
    std::fs::write(folder.join("w.safetensors"), &file).unwrap();
    std::fs::write(folder.join("sub/labels.txt"), "no\nyes").unwrap();
    std::fs::write(folder.join(".hidden"), "x").unwrap();
    {
        let _host = Host::new().model(&folder).unwrap().install();
        assert_eq!(model::files(), ["sub/labels.txt", "w.safetensors"]);
        assert_eq!(model::read_file("sub/labels.txt").unwrap(), b"no\nyes");
        assert_eq!(
            model::read_file_part("sub/labels.txt", 3, 9).unwrap(),
            b"yes"
        );
        let halves = Tensor::open("h").unwrap().floats().unwrap();
        assert_eq!(halves, [1.5, -2.0, 2_f32.powi(-24), f32::INFINITY]);
        assert_eq!(Tensor::open("b").unwrap().floats().unwrap(), [3.0]);
    }
    let single = folder.join("w.safetensors");
    let _host = Host::new().model(&single).unwrap().install();
    assert_eq!(model::files(), ["w.safetensors"]);
    for end in [4, 20, file.len() - 1] {
        std::fs::write(&single, &file[..end]).unwrap();
        assert!(Host::new().model(&folder).is_err(), "{end}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn keys_expire_by_the_hosts_clock() {
    let second = Duration::from_secs(1);
    let host = Host::new().store("a").store_with_ttl("b", second).install();
    let (a, b) = (Bucket::open("a").unwrap(), Bucket::open("b").unwrap());
    a.set("k", "1").unwrap();
    b.set("k", "1").unwrap();
    assert_eq!(b.increment("count", 2).unwrap(), 2);
    assert!(
        a.set_if("k", "2", Condition::IfPresent, Some(2 * second))
            .unwrap()
    );
    assert!(!a.set_if("k", "3", Condition::IfAbsent, None).unwrap());
    host.advance(second);
    assert_eq!(b.keys().unwrap(), [""; 0]);
    assert_eq!(b.increment_for("count", 5, second).unwrap(), 5);
    assert!(matches!(
        a.lifetime("k").unwrap(),
        Lifetime::Remaining(1000)
    ));
    assert!(a.touch("k", None).unwrap());
    host.advance(100 * second);
    assert_eq!(a.get("k").unwrap().as_deref(), Some(b"2".as_slice()));
    assert!(matches!(a.lifetime("none").unwrap(), Lifetime::Absent));
    assert!(a.set_for("k", "1", Duration::ZERO).is_err());
}

#[test]
fn values_are_swapped_only_if_they_are_as_they_were() {
    let _host = Host::new().store("a").install();
    let bucket = Bucket::open("a").unwrap();
    let snapshot = bucket.snapshot("k").unwrap();
    bucket.set("k", "x").unwrap();
    let Swap::Changed(newer) = snapshot.swap("y").unwrap() else {
        panic!("the value has changed");
    };
    assert_eq!(newer.current().unwrap().as_deref(), Some(b"x".as_slice()));
    assert!(matches!(newer.swap("y").unwrap(), Swap::Done));
    let longer = bucket.update("k", |old| [old.unwrap_or_default(), b"z".to_vec()].concat());
    assert_eq!(longer.unwrap(), b"yz");
    let refused: Error = bucket.increment("k", 1).unwrap_err().into();
    assert_eq!(refused.problem().code, "store-command");
}

#[test]
fn batches_have_the_hosts_limits() {
    let _host = Host::new().store("a").install();
    let bucket = Bucket::open("a").unwrap();
    let keys: Vec<_> = (0..4097).map(|key| key.to_string()).collect();
    assert!(bucket.get_many(&keys).is_err());
    assert!(bucket.get(&"k".repeat(65_537)).is_err());
    let entries: Vec<_> = keys[..2].iter().map(|key| (key.clone(), vec![1])).collect();
    bucket.set_many(&entries).unwrap();
    let found = bucket.get_many(&keys[..3]).unwrap();
    assert_eq!(
        found,
        [Some(entries[0].clone()), Some(entries[1].clone()), None]
    );
    bucket.delete_many(&keys[..2]).unwrap();
    assert!(bucket.keys().unwrap().is_empty());
    let many: Vec<_> = (0..2500).map(|key| (key.to_string(), vec![])).collect();
    bucket.set_many(&many).unwrap();
    assert_eq!(bucket.keys().unwrap().len(), 2500);
}

#[test]
fn a_batch_with_a_value_that_is_too_large_writes_nothing() {
    let _host = Host::new().store("a").install();
    let bucket = Bucket::open("a").unwrap();
    let entries = [
        ("small".to_owned(), vec![1]),
        ("large".to_owned(), vec![0; (32 << 20) + 1]),
    ];
    assert!(bucket.set_many(&entries).is_err());
    assert_eq!(bucket.keys().unwrap(), [""; 0]);
}

#[test]
fn stores_that_are_disconnected_are_unavailable() {
    let host = Host::new()
        .store("a")
        .redis("a", |_| Ok(Value::Nil))
        .install();
    let (bucket, redis) = (Bucket::open("a").unwrap(), Connection::open("a").unwrap());
    host.disconnect_stores(true);
    for failed in [
        Error::from(bucket.get("k").unwrap_err()),
        redis.execute(["GET", "k"]).unwrap_err().into(),
        redis.pipeline([["GET", "k"]]).unwrap_err().into(),
    ] {
        assert!(matches!(failed, Error::Unavailable(_)), "{failed:?}");
    }
    host.disconnect_stores(false);
    assert_eq!(bucket.get("k").unwrap(), None);
    assert_eq!(host.commands(), [[""; 0]; 0]);
}

#[test]
fn redis_replies_keep_their_form() {
    let host = Host::new()
        .redis("a", |command| match command {
            ["ZADD", ..] => Ok(1.into()),
            ["BAD"] => Err(redis::Error::Denied("BAD".to_owned())),
            _ => Ok(Value::Array(vec![
                Value::map([("age", "41".into()), ("gone", Value::Nil)]),
                Value::Double(0.5),
            ])),
        })
        .install();
    let redis = Connection::lazy("a");
    let reply = redis.execute(["ANY"]).unwrap();
    assert_eq!(
        reply.value().to_json().to_string(),
        r#"[{"age":"41","gone":null},0.5]"#
    );
    let replies = redis
        .pipeline([Command::new("ZADD"), Command::new("BAD")])
        .unwrap();
    assert!(replies[0].is_ok() && replies[1].is_err());
    assert!(redis.transaction([["BAD"]]).is_err());
    assert_eq!(host.commands(), [["ANY"], ["ZADD"], ["BAD"], ["BAD"]]);
}

#[test]
fn a_graph_is_a_function_of_the_test() {
    let _host = Host::new()
        .graph("len", |inputs| {
            let texts = inputs.tensor("text").map_err(|error| {
                crate::graphs::Error::InvalidArgument(error.problem().message.clone())
            })?;
            let count = texts.as_texts().map_or(0, <[String]>::len);
            Ok(vec![Input::new("n", [], &[count as i64])])
        })
        .install();
    let graph = Graph::open("len").unwrap();
    let outputs = graph.run([Input::texts("text", [2], ["a", "b"])]).unwrap();
    assert_eq!(*outputs.tensor("n").unwrap().values::<i64>().unwrap(), [2]);
    assert!(graph.run([]).is_err());
}

/// A scorer whose `describe` or `init` uses a capability that it may not use by default, if
/// `CURIOUS` holds the name of this function.
struct Curious;

impl crate::Scorer for Curious {
    type Input = crate::Payload;
    type Output = crate::Payload;

    fn describe() -> crate::Signature {
        if config_is("describe") {
            let _ = model::info();
        }
        crate::Signature::any()
    }

    fn init() -> crate::Result<Self> {
        let _ = model::tensors();
        crate::log::info!("init");
        if config_is("init") {
            let _ = Bucket::open("default")?;
        }
        Ok(Self)
    }

    fn run(
        &mut self,
        _: &crate::Invocation,
        input: crate::Payload,
    ) -> crate::Result<crate::Payload> {
        Ok(input)
    }
}

thread_local! {
    static CURIOUS: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

fn config_is(name: &str) -> bool {
    CURIOUS.get() == name
}

#[test]
fn describe_and_init_have_the_rules_of_the_host() {
    let starts = |host: Host, curious: &'static str| {
        CURIOUS.set(curious);
        let host = host.install();
        let started = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            host.start::<Curious>().is_ok()
        }));
        // After a panic everything is allowed again.
        assert!(config::all().unwrap().is_empty());
        started.ok()
    };
    let host = || Host::new().store("default");
    assert_eq!(starts(host(), ""), Some(true));
    assert_eq!(starts(host(), "describe"), None);
    assert_eq!(starts(host(), "init"), None);
    assert_eq!(starts(host().without_snapshot(), "init"), Some(true));
    assert_eq!(starts(Host::new().without_snapshot(), "init"), Some(false));
}
