//! Commands that let an app pull its image with an identity of Azure. They create an identity if it
//! must exist before the app, and give the identity a role in the registry.
//!
//! Owns which role the identity gets. Must not know how the app itself is created.

use super::{APP, Builder, PRINCIPAL, REGISTRY, ROLE};
use crate::shell::{Command, Variable, Word};

/// Query of `az` whose result is the role that lets an identity pull. A registry whose role
/// assignments have conditions for repositories (ABAC) ignores the role `AcrPull`.
const ROLE_QUERY: &str = "--query \"roleAssignmentMode == 'AbacRepositoryPermissions' \
                          && 'Container Registry Repository Reader' || 'AcrPull'\"";

impl Builder<'_> {
    /// Adds the commands that create an identity and let it pull from the registry. A container app
    /// is created only after its image was pulled, so its own identity would come too late.
    /// Afterwards, the shell variable that `APP` names has the resource id of the created identity.
    pub(super) fn puller(&mut self) {
        let name = Word::text(&format!("{}-pull", self.deployment.name));
        let of_identity = |words: &'static str, group: &Word| {
            Command::new(words)
                .flag_line("--name", &name)
                .flag("--resource-group", group)
        };
        let identity = of_identity("az identity create", &self.group)
            .flag("--location", &self.location)
            .line("--output none");
        self.az("The identity with which the app pulls its image.", identity);
        let show = of_identity("az identity show", &self.group);
        self.asked(APP, show.clone().fixed("--query id"));
        self.asked(PRINCIPAL, show.fixed("--query principalId"));
        self.may_pull();
    }

    /// Adds the commands that let an identity pull from the registry. The principal id of the
    /// identity is in the shell variable that `PRINCIPAL` names.
    pub(super) fn may_pull(&mut self) {
        let value = |variable| Word::value_of(&Variable::fixed(variable));
        let name = Word::text(self.deployment.registry_name());
        let registry = || Command::new("az acr show").flag("--name", &name);
        self.asked(REGISTRY, registry().fixed("--query id"));
        self.script
            .comment("A registry with permissions by repository (ABAC) ignores AcrPull.");
        self.asked(ROLE, registry().line(ROLE_QUERY));
        let role = Command::new("az role assignment create")
            .flag_line("--assignee-object-id", &value(PRINCIPAL))
            .fixed("--assignee-principal-type ServicePrincipal")
            .flag_line("--role", &value(ROLE))
            .flag("--scope", &value(REGISTRY))
            .fixed("--output none");
        self.az("The identity may pull, and nothing else.", role);
    }
}
