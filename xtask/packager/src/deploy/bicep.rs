//! A deployment as a Bicep file, for pipelines that keep what they deploy in a repository.
//!
//! Owns the resources of the file and their API versions. This module is pure: it starts no process
//! and touches no file. Secrets are `@secure()` parameters, never values. Must not know the
//! commands of the script, nor how text is escaped (`literal`): text that this program did not
//! choose is written through that module.

mod literal;
mod plain;

use std::fmt::Write as _;

use self::literal::{Literal, comment};
use super::arguments::{Pull, Target};
use super::deployment::{Deployment, OWN_STORAGE_SECRET, REGISTRY_PASSWORD};
use crate::functions_app::OWN_STORAGE;

/// Returns the text of a Bicep file that creates the deployment.
pub fn file(deployment: &Deployment) -> String {
    let mut text = head(deployment);
    text.push_str(
        match (deployment.pull, deployment.target.is_container_app()) {
            (Pull::Credentials, _) => "",
            (Pull::Identity, true) => IDENTITY,
            (Pull::Identity, false) => REGISTRY,
        },
    );
    match (&deployment.plain, deployment.target) {
        (Some(plain), Target::PlainContainerApp) => {
            plain::container_app(deployment, plain, &mut text);
        }
        (Some(plain), _) => plain::web_app(deployment, plain, &mut text),
        (None, Target::ContainerApps | Target::PlainContainerApp) => {
            text.push_str(STORAGE);
            container_app(deployment, &mut text);
        }
        (None, Target::Premium | Target::Dedicated | Target::PlainWebApp) => {
            text.push_str(STORAGE);
            function_app(deployment, &mut text);
        }
    }
    text
}

fn head(deployment: &Deployment) -> String {
    let Deployment {
        name,
        image,
        storage,
        target,
        group,
        ..
    } = deployment;
    let kind = deployment.kind();
    let mut text = comment(&format!("Runs {image} as the {kind} {name}: {target}."));
    text.push_str(&comment(&format!(
        "Written by `cargo xtask deploy`. Try it: az deployment group what-if --resource-group {group} --template-file FILE"
    )));
    if deployment.event_functions().next().is_some() {
        text.push_str(&comment(
            "The event subscriptions of blob triggers are not in this file, because their key exists only once the app \
             has",
        ));
        text.push_str(&comment(
            "started. Without them no blob starts a call: run the last commands of the script of `cargo xtask deploy`.",
        ));
    }
    let (name, image, storage) = (Literal::of(name), Literal::of(image), Literal::of(storage));
    let _ = write!(
        text,
        "\n@description('The {kind}.')\nparam name string = {name}\n\n\
         @description('The region of every resource.')\n\
         param location string = resourceGroup().location\n\n\
         @description('The image, by digest.')\nparam image string = {image}\n"
    );
    if deployment.plain.is_none() {
        let _ = write!(
            text,
            "\n@description('The storage account of the app itself.')\n@minLength(3)\n@maxLength(24)\nparam storageName string = {storage}\n"
        );
    }
    let registry_name = Literal::of(deployment.registry_name());
    match deployment.pull {
        Pull::Identity => {
            let _ = write!(
                text,
                "\n@description('The registry of the image, in this resource group.')\nparam registryName string = {registry_name}\n\n\
                 @description('True if the registry has permissions by repository (ABAC), where the role AcrPull has no effect.')\n\
                 param registryIsAbac bool = false\n"
            );
        }
        Pull::Credentials => {
            let _ = write!(
                text,
                "\n@description('The user who pulls the image.')\nparam registryUsername string\n\n\
                 @description('The password of this user.')\n\
                 @secure()\nparam registryPassword string\n"
            );
        }
    }
    if deployment.is_guarded_by_platform() {
        text.push_str(OPEN);
    }
    for secret in deployment.all_secrets() {
        let description = Literal::of(&format!("{}: {}", secret.variable.name(), secret.why));
        let _ = write!(
            text,
            "\n@description({description})\n@secure()\nparam {} string\n",
            secret.parameter
        );
    }
    text
}

/// Bicep text of the parameter `open`: if it is false, an app with the platform's login cannot be
/// reached from the internet. It is false for the first deployment, because the login is created
/// after the app.
const OPEN: &str = "
@description('False for the first deployment: nobody may reach the app before its login is there. True for each later one.')
param open bool = false
";

/// Bicep text that creates the identity of a container app and gives it the role on the
/// registry with which the app can pull its image.
///
/// A container app is created only after its image was pulled, so the identity and its role must
/// exist before the app.
const IDENTITY: &str = "
resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = {
  name: registryName
}

resource puller 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-pull'
  location: location
}

resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, puller.id, registryIsAbac ? 'Container Registry Repository Reader' : 'AcrPull')
  scope: registry
  properties: {
    principalId: puller.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', registryIsAbac ? 'b93aa761-3e63-49ed-ac28-beffa264f7ac' : '7f951dda-4ed3-4680-a7ca-43fe172d538d')
  }
}
";

/// Bicep text that gives the identity of an app of App Service the role on the registry with which
/// the app can pull its image.
///
/// The GUIDs in the text are the ids of the roles `Container Registry Repository Reader` and
/// `AcrPull`. App Service retries the pull until the role is in effect.
const REGISTRY: &str = "
resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = {
  name: registryName
}

resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, app.id, registryIsAbac ? 'Container Registry Repository Reader' : 'AcrPull')
  scope: registry
  properties: {
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', registryIsAbac ? 'b93aa761-3e63-49ed-ac28-beffa264f7ac' : '7f951dda-4ed3-4680-a7ca-43fe172d538d')
  }
}
";

const STORAGE: &str = "
resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: storageName
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

var storageConnection = 'DefaultEndpointsProtocol=https;AccountName=${storage.name};AccountKey=${storage.listKeys().keys[0].value};EndpointSuffix=${environment().suffixes.storage}'
";

/// Adds the hosting plan of an app on App Service to the text of a Bicep file.
fn app_service_plan(plan: &str, sku: &str, kind: &str, text: &mut String) {
    let (plan, sku) = (Literal::of(plan), Literal::of(sku));
    let _ = write!(
        text,
        "
resource plan 'Microsoft.Web/serverfarms@2023-12-01' = {{
  name: {plan}
  location: location
  kind: '{kind}'
  sku: {{
    name: {sku}
  }}
  properties: {{
    reserved: true
  }}
}}
"
    );
}

fn function_app(deployment: &Deployment, text: &mut String) {
    let Deployment {
        plan,
        sku,
        target,
        registry,
        pull,
        secrets,
        fixed,
        ..
    } = deployment;
    let is_dedicated = *target == Target::Dedicated;
    let kind = if is_dedicated { "linux" } else { "elastic" };
    app_service_plan(plan, sku, kind, text);
    let _ = write!(
        text,
        "
resource app 'Microsoft.Web/sites@2023-12-01' = {{
  name: name
  location: location
  kind: 'functionapp,linux,container'
  identity: {{
    type: 'SystemAssigned'
  }}
  properties: {{
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: {{
      linuxFxVersion: 'DOCKER|${{image}}'
      acrUseManagedIdentityCreds: {}
      alwaysOn: {is_dedicated}
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      appSettings: [
        {{
          name: 'AzureWebJobsStorage'
          value: storageConnection
        }}
",
        *pull == Pull::Identity,
    );
    let mut settings: Vec<_> = fixed
        .iter()
        .map(|(name, value)| (name.as_str(), Literal::of(value).to_string()))
        .collect();
    settings.extend(
        secrets
            .iter()
            .map(|secret| (secret.variable.name(), secret.parameter.clone())),
    );
    settings.push((
        "DOCKER_REGISTRY_SERVER_URL",
        Literal::of(&format!("https://{registry}")).to_string(),
    ));
    if *pull == Pull::Credentials {
        settings.push((
            "DOCKER_REGISTRY_SERVER_USERNAME",
            "registryUsername".to_owned(),
        ));
        settings.push((
            "DOCKER_REGISTRY_SERVER_PASSWORD",
            "registryPassword".to_owned(),
        ));
    }
    for (name, value) in settings {
        let name = Literal::of(name);
        let _ = write!(
            text,
            "        {{\n          name: {name}\n          value: {value}\n        }}\n"
        );
    }
    text.push_str("      ]\n    }\n  }\n}\n\noutput address string = 'https://${app.properties.defaultHostName}'\n");
}

fn container_app(deployment: &Deployment, text: &mut String) {
    let Deployment {
        environment,
        registry,
        pull,
        secrets,
        fixed,
        ..
    } = deployment;
    let (environment, registry) = (Literal::of(environment), Literal::of(registry));
    let credentials = match pull {
        Pull::Identity => "          identity: puller.id\n",
        Pull::Credentials => {
            "          username: registryUsername\n          passwordSecretRef: 'registry-password'\n"
        }
    };
    let identity = match pull {
        Pull::Identity => {
            "  identity: {
    type: 'SystemAssigned, UserAssigned'
    userAssignedIdentities: {
      '${puller.id}': {}
    }
  }
  dependsOn: [
    pull
  ]
"
        }
        Pull::Credentials => "  identity: {\n    type: 'SystemAssigned'\n  }\n",
    };
    let _ = write!(
        text,
        "
resource place 'Microsoft.App/managedEnvironments@2024-03-01' = {{
  name: {environment}
  location: location
  properties: {{}}
}}

resource app 'Microsoft.App/containerApps@2024-10-02-preview' = {{
  name: name
  location: location
  kind: 'functionapp'
{identity}  properties: {{
    managedEnvironmentId: place.id
    configuration: {{
      ingress: {{
        external: true
        targetPort: 80
      }}
      registries: [
        {{
          server: {registry}
{credentials}        }}
      ]
      secrets: [
"
    );
    let mut kept = vec![(OWN_STORAGE_SECRET, "storageConnection")];
    if *pull == Pull::Credentials {
        kept.push((REGISTRY_PASSWORD, "registryPassword"));
    }
    kept.extend(
        secrets
            .iter()
            .map(|secret| (secret.kept_as.as_str(), secret.parameter.as_str())),
    );
    for (name, value) in kept {
        let name = Literal::of(name);
        let _ = write!(
            text,
            "        {{\n          name: {name}\n          value: {value}\n        }}\n"
        );
    }
    text.push_str(
        "      ]
    }
    template: {
      containers: [
        {
          name: 'scorer'
          image: image
          env: [
",
    );
    let named = secrets
        .iter()
        .map(|secret| (secret.variable.name(), secret.kept_as.as_str()));
    for (name, secret) in std::iter::once((OWN_STORAGE, OWN_STORAGE_SECRET)).chain(named) {
        let (name, secret) = (Literal::of(name), Literal::of(secret));
        let _ = write!(
            text,
            "            {{\n              name: {name}\n              secretRef: {secret}\n            }}\n"
        );
    }
    for (name, value) in fixed {
        let (name, value) = (Literal::of(name), Literal::of(value));
        let _ = write!(
            text,
            "            {{\n              name: {name}\n              value: {value}\n            }}\n"
        );
    }
    text.push_str(
        "          ]
        }
      ]
    }
  }
}

output address string = 'https://${app.properties.configuration.ingress.fqdn}'
",
    );
}
