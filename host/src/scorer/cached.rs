//! The step from a manifest to a prediction cache: whether answers are kept, and what they depend
//! on in addition to their inputs.
//!
//! Owns the identity of a scorer for its cache, and the check that the scorer is deterministic.
//! Must not know calls.

use std::collections::BTreeMap;

use crate::capability::{Answers, Capabilities};
use crate::component::{self, Compiled};
use crate::engine;
use crate::error::StartupError;
use crate::graph;
use crate::manifest::{Manifest, PredictionCacheSection};

use super::linking::world::{Target, Version, World};
use super::prediction_cache::{Expected, Identity, PredictionCache};
use super::signature::Signature;

/// Settings and store of a prediction cache, and the identity of its scorer. These are the parts of
/// a prediction cache that are known before the scorer's signature is known.
pub(super) struct Cached {
    section: PredictionCacheSection,
    answers: Answers,
    identity: Identity,
}

impl Cached {
    /// Returns the settings and the store of the prediction cache of a component, and the identity
    /// of the component. Returns `None` if the manifest does not ask for a prediction cache, or if
    /// the cache's store was not opened.
    pub(super) fn of_component(
        manifest: &Manifest,
        compiled: &Compiled,
        target: Target,
        capabilities: &Capabilities,
    ) -> Option<Self> {
        let precompiled = manifest.precompiled.as_ref();
        Self::of(manifest, capabilities, |identity| Identity {
            wit_version: target.version.number().to_owned(),
            world: target.world.to_string(),
            component: Some(compiled.digest.clone()),
            engine: Some(engine::ENGINE.to_owned()),
            cpu: precompiled.map(|precompiled| precompiled.cpu.clone()),
            snapshot: compiled.snapshot,
            graph_engine: capabilities
                .graphs
                .as_ref()
                .map(|_| graph::ENGINE.to_owned()),
            ..identity
        })
    }

    /// Returns the settings and the store of the prediction cache of a graph that is served without
    /// a component, and the identity of the graph. Returns `None` if the manifest does not ask for
    /// a prediction cache, or if the cache's store was not opened.
    pub(super) fn of_graph(manifest: &Manifest, capabilities: &Capabilities) -> Option<Self> {
        Self::of(manifest, capabilities, |identity| Identity {
            graph_engine: Some(graph::ENGINE.to_owned()),
            graph: manifest.scorer.graph.clone(),
            ..identity
        })
    }

    /// Returns the settings and the store of the prediction cache of a script, and the identity of
    /// the script. Returns `None` if the manifest does not ask for a prediction cache, or if the
    /// cache's store was not opened.
    #[cfg(feature = "python")]
    pub(super) fn of_script(
        manifest: &Manifest,
        script: &scorebox_python::Script,
        capabilities: &Capabilities,
    ) -> Option<Self> {
        let packaged = manifest.packaged.as_ref();
        let packaged = packaged.and_then(|packaged| packaged.script.as_ref());
        // The files of a script that is not packaged may change at any time, so its answers are for
        // this process alone.
        let files = packaged.map_or_else(
            || uuid::Uuid::new_v4().to_string(),
            |script| {
                let others = [&script.packages_digest, &script.state_digest];
                let others = others.map(|digest| digest.as_deref().unwrap_or("none"));
                format!("{} {}", script.digest, others.join(" "))
            },
        );
        let entry = &script.entry;
        Self::of(manifest, capabilities, |identity| Identity {
            world: World::Scoring.to_string(),
            component: Some(format!("{entry} {files} {:?}", script.accelerated)),
            engine: Some(script.pack.digest().to_owned()),
            cpu: Some(script.pack.record().cpu.clone()),
            snapshot: script.state.is_some(),
            graph_engine: capabilities
                .graphs
                .as_ref()
                .map(|_| graph::ENGINE.to_owned()),
            ..identity
        })
    }

    fn of(
        manifest: &Manifest,
        capabilities: &Capabilities,
        with_code: impl FnOnce(Identity) -> Identity,
    ) -> Option<Self> {
        let section = manifest.prediction_cache.clone()?;
        let answers = Answers::beside(capabilities.stores.get(&section.store)?);
        let identity = with_code(Identity {
            host: env!("CARGO_PKG_VERSION").to_owned(),
            wit_version: Version::Current.number().to_owned(),
            // A graph counts as a scorer of tensors.
            world: World::TensorScoring.to_string(),
            component: None,
            engine: None,
            cpu: None,
            snapshot: false,
            graph_engine: None,
            graph: None,
            model: manifest
                .scorer
                .model
                .as_ref()
                .map(|_| capabilities.model.digest().to_owned()),
            name: manifest.scorer.name.clone(),
            version: manifest.scorer.version.clone(),
            labels: manifest.scorer.labels.clone(),
            // `cache` adds the facts about the inputs, which are known only with the signature.
            inputs: BTreeMap::new(),
            requests: manifest.requests,
            config: manifest.config.clone(),
            stores: manifest.stores.clone(),
            memory_bytes: manifest.limits.memory_bytes,
            batch_rows: manifest.batching.map_or(0, |batching| batching.max_rows),
        });
        Some(Self {
            section,
            answers,
            identity,
        })
    }

    /// Creates the prediction cache of a scorer with the given signature.
    ///
    /// # Errors
    /// Fails if the signature does not state that the scorer is deterministic: that it always
    /// answers equal inputs with equal outputs.
    pub(super) fn cache(
        mut self,
        manifest: &Manifest,
        signature: Signature<'_>,
    ) -> Result<PredictionCache, StartupError> {
        if let (Some(script), false) = (&manifest.scorer.script, signature.deterministic()) {
            return Err(StartupError::Script {
                path: script.file.clone(),
                problem: "has no answers to keep: it is not known to be deterministic".to_owned(),
                fix: "remove [prediction_cache], or write `deterministic = true` under [scorer] if equal requests always \
                      give equal answers"
                    .to_owned(),
            });
        }
        if !signature.deterministic() {
            return Err(StartupError::Component {
                path: component::file(manifest)?,
                problem: "has no answers to keep: describe does not state that it is deterministic".to_owned(),
                fix: "remove [prediction_cache], or state `deterministic` if equal inputs always give equal answers"
                    .to_owned(),
            });
        }
        if let Signature::Tensor(signature) = signature {
            for port in &signature.inputs {
                let facts = port.facts.clone();
                self.identity.inputs.insert(port.name.clone(), facts);
            }
        }
        Ok(PredictionCache::new(
            self.identity.key(),
            self.answers,
            Expected::from(signature),
            self.section,
        ))
    }
}
