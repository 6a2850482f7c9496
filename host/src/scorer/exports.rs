//! The exports of a component that the host calls: their types, which differ between the worlds and
//! between the versions of the contract.
//!
//! Owns the choice of the type, which is made once for each instance. Must not know what a call
//! computes, or what follows from its result.

use scorebox_sandbox::Sandbox;
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance, TypedFunc};

use super::linking::world::Version;
use super::previous;
use crate::capability::bindings::capabilities::scorebox::scoring::types as wit;
use crate::capability::bindings::tensor_scoring::exports::scorebox::scoring::tensor_scorer::NamedTensor;

/// The export `init` of a component. The export has the same type in both worlds and in every
/// version of the contract.
pub(super) type Init = TypedFunc<(), (Result<(), wit::Problem>,)>;

/// The export `run` of a component of the world `scoring`. There is one variant for each version of
/// the contract, because the type of `run` differs between the versions.
///
/// The host does not call `run` through the generated bindings, because these look up all exports.
/// That takes a tenth of the time of creating an instance.
#[derive(Clone, Copy)]
pub(super) enum PayloadRun {
    Current(TypedFunc<(wit::Invocation, wit::Payload), (AnswerScored,)>),
    Previous(TypedFunc<(previous::Invocation, wit::Payload), (PayloadScored,)>),
}

/// The export `run` of a component of the world `tensor-scoring`. There is one variant for each
/// version of the contract, because the type of `run` differs between the versions.
#[derive(Clone, Copy)]
pub(super) enum TensorRun {
    Current(TypedFunc<(Vec<wit::Invocation>, Vec<NamedTensor>), (TensorsScored,)>),
    Previous(TypedFunc<(Vec<previous::Invocation>, Vec<NamedTensor>), (TensorsScored,)>),
}

type AnswerScored = Result<wit::Answer, wit::ScoreError>;
type PayloadScored = Result<wit::Payload, wit::ScoreError>;
type TensorsScored = Result<Vec<NamedTensor>, wit::ScoreError>;

/// The export `run` of a component. Its type differs between the worlds.
pub(super) trait Run: Copy + Send + Sync + 'static {
    /// Looks up the export `run` in the exports of an instance. `index` is the index of `run` in
    /// the component, and `version` is the version of the contract that the component was built
    /// against.
    ///
    /// # Errors
    /// Fails if the component does not export `run` with this type.
    fn look_up(
        exports: Instance,
        store: &mut Store<Sandbox>,
        index: ComponentExportIndex,
        version: Version,
    ) -> wasmtime::Result<Self>;
}

impl Run for PayloadRun {
    fn look_up(
        exports: Instance,
        store: &mut Store<Sandbox>,
        index: ComponentExportIndex,
        version: Version,
    ) -> wasmtime::Result<Self> {
        Ok(match version {
            Version::Current => Self::Current(exports.get_typed_func(store, index)?),
            Version::Previous => Self::Previous(exports.get_typed_func(store, index)?),
        })
    }
}

impl Run for TensorRun {
    fn look_up(
        exports: Instance,
        store: &mut Store<Sandbox>,
        index: ComponentExportIndex,
        version: Version,
    ) -> wasmtime::Result<Self> {
        Ok(match version {
            Version::Current => Self::Current(exports.get_typed_func(store, index)?),
            Version::Previous => Self::Previous(exports.get_typed_func(store, index)?),
        })
    }
}
