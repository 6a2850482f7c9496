//! Bicep resources of an app without the Functions host: a container app, or a web app.
//!
//! Owns these resources and their API versions. Must not know function apps.

use std::fmt::Write as _;

use super::super::arguments::{Guard, Pull};
use super::super::deployment::{Deployment, REGISTRY_PASSWORD};
use super::super::plain_app::{LIVE, PORT, PlainApp, READY};
use super::app_service_plan;
use super::literal::Literal;

/// Adds the resources of a container app without the Functions host to a Bicep file.
pub(super) fn container_app(deployment: &Deployment, plain: &PlainApp, text: &mut String) {
    let Deployment {
        environment,
        registry,
        pull,
        ..
    } = deployment;
    let (environment, registry) = (Literal::of(environment), Literal::of(registry));
    let (identity, credentials) = match pull {
        Pull::Identity => (
            "    type: 'SystemAssigned, UserAssigned'
    userAssignedIdentities: {
      '${puller.id}': {}
    }
  }
  dependsOn: [
    pull
  ]
",
            "          identity: puller.id\n".to_owned(),
        ),
        Pull::Credentials => (
            "    type: 'SystemAssigned'\n  }\n",
            format!(
                "          username: registryUsername\n          passwordSecretRef: '{REGISTRY_PASSWORD}'\n"
            ),
        ),
    };
    let external = if plain.guard == Guard::Platform {
        "open"
    } else {
        "true"
    };
    let _ = write!(
        text,
        "
resource place 'Microsoft.App/managedEnvironments@2024-03-01' = {{
  name: {environment}
  location: location
  properties: {{}}
}}

resource app 'Microsoft.App/containerApps@2024-03-01' = {{
  name: name
  location: location
  identity: {{
{identity}  properties: {{
    managedEnvironmentId: place.id
    configuration: {{
      ingress: {{
        external: {external}
        targetPort: {PORT}
      }}
      registries: [
        {{
          server: {registry}
{credentials}        }}
      ]
      secrets: [
"
    );
    let password = (*pull == Pull::Credentials).then_some((REGISTRY_PASSWORD, "registryPassword"));
    let secrets = deployment
        .all_secrets()
        .map(|secret| (secret.kept_as.as_str(), secret.parameter.as_str()));
    for (name, value) in password.into_iter().chain(secrets) {
        let name = Literal::of(name);
        let _ = write!(
            text,
            "        {{\n          name: {name}\n          value: {value}\n        }}\n"
        );
    }
    let (cpu, memory) = (Literal::of(&plain.cpu()), Literal::of(&plain.memory()));
    let _ = write!(
        text,
        "      ]
    }}
    template: {{
      terminationGracePeriodSeconds: {}
      containers: [
        {{
          name: 'scorer'
          image: image
          resources: {{
            cpu: json({cpu})
            memory: {memory}
          }}
          env: [
",
        plain.grace_s
    );
    for secret in deployment.all_secrets() {
        let (name, secret) = (
            Literal::of(secret.variable.name()),
            Literal::of(&secret.kept_as),
        );
        let _ = write!(
            text,
            "            {{\n              name: {name}\n              secretRef: {secret}\n            }}\n"
        );
    }
    for (name, value) in &deployment.fixed {
        let (name, value) = (Literal::of(name), Literal::of(value));
        let _ = write!(
            text,
            "            {{\n              name: {name}\n              value: {value}\n            }}\n"
        );
    }
    text.push_str("          ]\n          probes: [\n");
    for (kind, path, period) in [("Liveness", LIVE, 10), ("Readiness", READY, 2)] {
        let _ = write!(
            text,
            "            {{
              type: '{kind}'
              httpGet: {{
                path: '{path}'
                port: {PORT}
              }}
              periodSeconds: {period}
              timeoutSeconds: 2
              failureThreshold: 3
            }}
"
        );
    }
    let _ = write!(
        text,
        "          ]
        }}
      ]
      scale: {{
        minReplicas: {}
        maxReplicas: {}
        rules: [
          {{
            name: 'http'
            http: {{
              metadata: {{
                concurrentRequests: '{}'
              }}
            }}
          }}
        ]
      }}
    }}
  }}
}}
",
        plain.min_replicas, plain.max_replicas, plain.concurrency
    );
    if plain.guard == Guard::Platform {
        text.push_str(LOGIN_OF_CONTAINER_APP);
    }
    text.push_str(
        "\noutput address string = 'https://${app.properties.configuration.ingress.fqdn}'\n",
    );
}

/// Bicep text of the login of a container app: the platform answers requests without a login with
/// the status code 401.
const LOGIN_OF_CONTAINER_APP: &str = "
// Nobody gets in until an identity provider is added here.
resource login 'Microsoft.App/containerApps/authConfigs@2024-03-01' = {
  parent: app
  name: 'current'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      unauthenticatedClientAction: 'Return401'
    }
  }
}
";

/// Bicep text of the login of a web app: the platform answers requests without a login with the
/// status code 401.
const LOGIN_OF_WEB_APP: &str = "
// Nobody gets in until an identity provider is added here.
resource login 'Microsoft.Web/sites/config@2023-12-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
    }
  }
}
";

/// Adds the resources of a web app without the Functions host to a Bicep file.
pub(super) fn web_app(deployment: &Deployment, plain: &PlainApp, text: &mut String) {
    let Deployment {
        plan,
        sku,
        registry,
        pull,
        ..
    } = deployment;
    app_service_plan(plan, sku, "linux", text);
    let access = if plain.guard == Guard::Platform {
        "    publicNetworkAccess: open ? 'Enabled' : 'Disabled'\n"
    } else {
        ""
    };
    let _ = write!(
        text,
        "
resource app 'Microsoft.Web/sites@2023-12-01' = {{
  name: name
  location: location
  kind: 'app,linux,container'
  identity: {{
    type: 'SystemAssigned'
  }}
  properties: {{
    serverFarmId: plan.id
    httpsOnly: true
{access}    siteConfig: {{
      linuxFxVersion: 'DOCKER|${{image}}'
      acrUseManagedIdentityCreds: {}
      alwaysOn: true
      healthCheckPath: '{READY}'
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      appSettings: [
",
        *pull == Pull::Identity,
    );
    let fixed = deployment
        .fixed
        .iter()
        .map(|(name, value)| (name.as_str(), Literal::of(value).to_string()));
    let secrets = deployment
        .all_secrets()
        .map(|secret| (secret.variable.name(), secret.parameter.clone()));
    let server = Literal::of(&format!("https://{registry}")).to_string();
    let mut settings: Vec<_> = fixed.chain(secrets).collect();
    settings.push(("DOCKER_REGISTRY_SERVER_URL", server));
    if *pull == Pull::Credentials {
        for (name, value) in [
            ("DOCKER_REGISTRY_SERVER_USERNAME", "registryUsername"),
            ("DOCKER_REGISTRY_SERVER_PASSWORD", "registryPassword"),
        ] {
            settings.push((name, value.to_owned()));
        }
    }
    for (name, value) in settings {
        let name = Literal::of(name);
        let _ = write!(
            text,
            "        {{\n          name: {name}\n          value: {value}\n        }}\n"
        );
    }
    text.push_str("      ]\n    }\n  }\n}\n");
    if plain.guard == Guard::Platform {
        text.push_str(LOGIN_OF_WEB_APP);
    }
    text.push_str("\noutput address string = 'https://${app.properties.defaultHostName}'\n");
}
