//! Test of the reference of WIT interfaces that `cargo xtask tidy` writes into pages.

use super::*;

fn pages(contract: &str, standard: &str) -> (String, String) {
    let mut resolve = Resolve {
        all_features: true,
        ..Resolve::default()
    };
    resolve.push_str("standard.wit", standard).unwrap();
    let main = resolve.push_str("contract.wit", contract).unwrap();
    (
        reference(&resolve, main, |interface| interface.package == Some(main)),
        reference(&resolve, main, |interface| interface.package != Some(main)),
    )
}

#[test]
fn types_and_functions_are_listed_in_the_order_of_the_file() {
    let standard = "package test:store@0.2.0;
        /// Stores by name.
        interface store {
            /// An open store.
            resource bucket {
                constructor(name: string);
                /// Open a store.
                open: static func(name: string) -> result<bucket, string>;
                get: func(key: string) -> option<list<u8>>;
            }
        }";
    let contract = "package test:scoring@0.1.0;
        /// Scores
        /// payloads.
        @since(version = 0.1.0)
        interface scorer {
            use test:store/store@0.2.0.{bucket};
            /// Why a call failed.
            variant error {
                /// No such name,
                /// or a | in it.
                missing(string),
                late,
            }
            record call { level: level, inputs: list<tuple<string, f32>> }
            enum level { low, high }
            type inputs = list<call>;
            /// Score all the calls.
            run: func(bucket: borrow<bucket>, calls: inputs) -> result<_, error>;
            @unstable(feature = stop)
            stop: func() -> result;
        }";
    let (contract, standards) = pages(contract, standard);
    let expected = "### Interface `scorer`\n\nScores\npayloads.\n\nSince 0.1.0.\n\n\
        Uses `bucket` of `test:store/store@0.2.0`.\n\n\
        #### Variant `scorer.error`\n\nWhy a call failed.\n\n\
        | case | holds | meaning |\n|---|---|---|\n\
        | `missing` | `string` | No such name, or a \\| in it. |\n\
        | `late` |  |  |\n\n\
        #### Record `scorer.call`\n\n\
        | field | type | meaning |\n|---|---|---|\n\
        | `level` | `level` |  |\n\
        | `inputs` | `list<tuple<string, f32>>` |  |\n\n\
        #### Enum `scorer.level`\n\nOne of: `low`, `high`.\n\n\
        #### Type `scorer.inputs`\n\n```wit\ntype inputs = list<call>\n```\n\n\
        #### Function `scorer.run`\n\n\
        ```wit\nrun: func(bucket: borrow<bucket>, calls: inputs) -> result<_, error>\n```\n\n\
        Score all the calls.\n\n\
        #### Function `scorer.stop`\n\n```wit\nstop: func() -> result\n```\n\n\
        Unstable, behind the feature `stop`.\n";
    assert_eq!(contract, expected);
    let expected = "### Interface `test:store/store`\n\nStores by name.\n\n\
        #### Resource `test:store/store.bucket`\n\nAn open store.\n\n\
        #### Function `test:store/store.bucket.constructor`\n\n\
        ```wit\nconstructor(name: string)\n```\n\n\
        #### Function `test:store/store.bucket.open`\n\n\
        ```wit\nopen: static func(name: string) -> result<bucket, string>\n```\n\n\
        Open a store.\n\n\
        #### Function `test:store/store.bucket.get`\n\n\
        ```wit\nget: func(key: string) -> option<list<u8>>\n```\n";
    assert_eq!(standards, expected);
}
