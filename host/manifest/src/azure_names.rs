//! Azure's rules for the names of resources, and the check of a name.
//!
//! Owns the table of these rules. The manifest and the packager use the table to check each name as
//! soon as they read it. Must not know which setting or flag a name comes from.

use scorebox_text::{NAME_BYTES, Problem, quoted};

/// Rule of Azure for the names of one kind of resource.
#[derive(Debug)]
pub struct Rule {
    /// Kind of resource with its article, such as `a storage queue`.
    what: &'static str,
    least: usize,
    most: usize,
    letters: Letters,
    /// Characters that a name may have in addition to letters and digits.
    marks: &'static str,
    start: End,
    end: End,
    /// True if a name may have two hyphens in a row.
    allows_double_hyphens: bool,
}

/// Letters that the name of a resource may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    Ascii,
    Lower,
    /// Letters and digits of every script.
    Any,
}

/// Rule for the first or the last character of the name of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Any,
    Letter,
    LetterOrDigit,
    NoDot,
}

/// Azure's rule for the names of function apps on App Service.
pub const FUNCTION_APP: Rule = Rule {
    letters: Letters::Ascii,
    marks: "-",
    start: End::LetterOrDigit,
    end: End::LetterOrDigit,
    ..rule("a function app", 2, 60)
};

/// Azure's rule for the names of hosting plans on App Service.
pub const PLAN: Rule = Rule {
    letters: Letters::Ascii,
    marks: "-",
    ..rule("a hosting plan", 1, 60)
};

/// Azure's rule for the names of resource groups.
pub const RESOURCE_GROUP: Rule = Rule {
    letters: Letters::Any,
    marks: "-_.()",
    end: End::NoDot,
    ..rule("a resource group", 1, 90)
};

/// Azure's rule for the names of regions, such as `westeurope`.
pub const REGION: Rule = Rule {
    letters: Letters::Ascii,
    ..rule("a region", 1, 40)
};

/// Azure's rule for the names of storage accounts.
pub const STORAGE_ACCOUNT: Rule = rule("a storage account", 3, 24);

/// Azure's rule for the names of container apps.
pub const CONTAINER_APP: Rule = Rule {
    marks: "-",
    start: End::Letter,
    end: End::LetterOrDigit,
    allows_double_hyphens: false,
    ..rule("a container app", 2, 32)
};

/// Azure's rule for the names of environments of Container Apps.
pub const CONTAINER_APP_ENVIRONMENT: Rule = Rule {
    marks: "-",
    start: End::Letter,
    end: End::LetterOrDigit,
    allows_double_hyphens: false,
    ..rule("an environment of Container Apps", 2, 60)
};

/// Azure's rule for the names of blob containers, except those that only Azure creates.
pub const BLOB_CONTAINER: Rule = Rule {
    marks: "-",
    start: End::LetterOrDigit,
    end: End::LetterOrDigit,
    allows_double_hyphens: false,
    ..rule("a blob container", 3, 63)
};

/// Azure's rule for the names of queues of a storage account.
pub const STORAGE_QUEUE: Rule = Rule {
    marks: "-",
    start: End::LetterOrDigit,
    end: End::LetterOrDigit,
    allows_double_hyphens: false,
    ..rule("a storage queue", 3, 63)
};

/// Azure's rule for the names of queues of a storage account that have a poison queue. The name of
/// the poison queue has 7 characters more. If this name would be too long, the Functions host does
/// not use a poison queue.
pub const TRIGGER_QUEUE: Rule = Rule {
    most: 56,
    ..STORAGE_QUEUE
};

/// Azure's rule for the names of Service Bus queues.
pub const SERVICE_BUS_QUEUE: Rule = entity("a Service Bus queue", 260, "-_./");

/// Azure's rule for the names of Service Bus topics.
pub const SERVICE_BUS_TOPIC: Rule = entity("a Service Bus topic", 260, "-_./");

/// Azure's rule for the names of subscriptions to a Service Bus topic.
pub const SERVICE_BUS_SUBSCRIPTION: Rule = entity("a Service Bus subscription", 50, "-_.");

/// Azure's rule for the names of container registries.
pub const REGISTRY: Rule = Rule {
    letters: Letters::Ascii,
    ..rule("a container registry", 5, 50)
};

/// Suffixes of the host names of Azure's container registries: of the public cloud, of the cloud in
/// China, and of the cloud for the government of the United States.
pub const AZURE_REGISTRIES: [&str; 3] = [".azurecr.io", ".azurecr.cn", ".azurecr.us"];

/// Azure's rule for the names of user-assigned managed identities.
pub const IDENTITY: Rule = Rule {
    letters: Letters::Ascii,
    marks: "-_",
    start: End::LetterOrDigit,
    ..rule("a managed identity", 3, 128)
};

/// Returns a rule for names of `least` to `most` lower-case letters and digits in any order. `what`
/// is the kind of resource with its article.
const fn rule(what: &'static str, least: usize, most: usize) -> Rule {
    Rule {
        what,
        least,
        most,
        letters: Letters::Lower,
        marks: "",
        start: End::Any,
        end: End::Any,
        allows_double_hyphens: true,
    }
}

/// Returns the rule for the names of one kind of Service Bus entity: of queues, topics or
/// subscriptions. `what` is the kind of entity with its article.
const fn entity(what: &'static str, most: usize, marks: &'static str) -> Rule {
    Rule {
        letters: Letters::Ascii,
        marks,
        start: End::LetterOrDigit,
        end: End::LetterOrDigit,
        ..rule(what, 1, most)
    }
}

impl Rule {
    /// Checks that a name follows the rule. `key` is the setting or flag with the name, for the
    /// error.
    ///
    /// # Errors
    /// Fails if Azure would refuse the name. The error states the offending part and the rule.
    pub fn check(&self, key: &str, name: &str) -> Result<(), Problem> {
        self.judge(key, name, &[name])
    }

    /// Checks a name that may have placeholders: `%SETTING%` for the value of an app setting and,
    /// if `has_braces` is true, `{name}` for a part of a path. The texts that the placeholders
    /// stand for are not known, so only the rest of the name is checked. `key` is the setting with
    /// the name, for the error.
    ///
    /// # Errors
    /// Fails if Azure would refuse every name of this form, or if a placeholder is malformed.
    pub fn check_pattern(&self, key: &str, name: &str, has_braces: bool) -> Result<(), Problem> {
        let judged = match literals(name, has_braces) {
            Some(literals) => self.judge(key, name, &literals),
            None => Err(self.fault(
                key,
                name,
                "has a `%` or a brace that does not belong to a placeholder",
            )),
        };
        judged.map_err(|Problem { problem, fix }| {
            let fix = format!("{fix}; %SETTING% stands for the value of an app setting");
            Problem::new(problem, fix)
        })
    }

    /// Checks the parts of a name between its placeholders. The first part is empty if the name
    /// begins with a placeholder, and the last part is empty if the name ends with one. Fails if
    /// Azure would refuse every name with these parts. `key` is the setting or flag with the name,
    /// for the error.
    fn judge(&self, key: &str, name: &str, parts: &[&str]) -> Result<(), Problem> {
        let is_whole = parts.len() == 1;
        let count: usize = parts.iter().map(|part| part.chars().count()).sum();
        let wrong = |c: &char| !self.allows(*c);
        let mut characters = parts.iter().flat_map(|part| part.chars());
        if let Some(c) = characters.find(wrong) {
            let shown = quoted(c.encode_utf8(&mut [0; 4]), NAME_BYTES);
            return Err(self.fault(key, name, &format!("has the character `{shown}`")));
        }
        if count > self.most || is_whole && count < self.least {
            let plural = if count == 1 { "" } else { "s" };
            return Err(self.fault(key, name, &format!("has {count} character{plural}")));
        }
        let first = parts.first().and_then(|part| part.chars().next());
        let last = parts.last().and_then(|part| part.chars().next_back());
        if let Some(c) = first.filter(|c| !self.start.allows(*c)) {
            return Err(self.fault(key, name, &format!("begins with `{c}`")));
        }
        if let Some(c) = last.filter(|c| !self.end.allows(*c)) {
            return Err(self.fault(key, name, &format!("ends with `{c}`")));
        }
        if !self.allows_double_hyphens && parts.iter().any(|part| part.contains("--")) {
            return Err(self.fault(key, name, "has two hyphens in a row"));
        }
        Ok(())
    }

    fn allows(&self, c: char) -> bool {
        let is_letter = match self.letters {
            Letters::Ascii => c.is_ascii_alphabetic(),
            Letters::Lower => c.is_ascii_lowercase(),
            // Azure uses .NET's `Char.IsLetterOrDigit`. Rust's `is_alphanumeric` is nearly equal.
            // It also accepts numbers that are not decimal digits, such as Roman numerals.
            Letters::Any => c.is_alphanumeric(),
        };
        is_letter || c.is_ascii_digit() || self.marks.contains(c)
    }

    /// Returns the error for a name. `fault` says what is wrong with the name.
    fn fault(&self, key: &str, name: &str, fault: &str) -> Problem {
        let name = quoted(name, NAME_BYTES);
        Problem::new(
            format!(
                "`{key}`: `{name}` cannot be the name of {}, because it {fault}",
                self.what
            ),
            self.to_string(),
        )
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letters = match self.letters {
            Letters::Ascii => "letters a to z",
            Letters::Lower => "lower-case letters",
            Letters::Any => "letters",
        };
        write!(f, "use {} to {} {letters}", self.least, self.most)?;
        let marks = self.marks.chars().count();
        f.write_str(if marks == 0 {
            " and digits"
        } else {
            ", digits"
        })?;
        for (index, mark) in self.marks.chars().enumerate() {
            let before = if index + 1 == marks { " and" } else { "," };
            write!(f, "{before} `{mark}`")?;
        }
        f.write_str(match (self.start, self.end) {
            (End::LetterOrDigit, End::LetterOrDigit) => ", with a letter or digit at both ends",
            (End::Letter, _) => ", with a letter first and a letter or digit last",
            (End::LetterOrDigit, _) => ", with a letter or digit first",
            (_, End::NoDot) => ", without a dot at the end",
            _ => "",
        })?;
        f.write_str(if self.allows_double_hyphens {
            ""
        } else {
            ", without two hyphens in a row"
        })
    }
}

impl End {
    fn allows(self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::Letter => c.is_ascii_alphabetic(),
            Self::LetterOrDigit => c.is_ascii_alphanumeric(),
            Self::NoDot => c != '.',
        }
    }
}

/// Checks the host name of a registry. The host name of a registry in Azure begins with the name of
/// a resource, which ends at the first dot or hyphen. Other registries are not checked. `key` is
/// the setting or flag with the host name, for the error.
///
/// # Errors
/// Fails if Azure cannot have a registry with this host name.
pub fn check_registry(key: &str, host: &str) -> Result<(), Problem> {
    let name = host.split(':').next().unwrap_or_default();
    let Some((first, _)) = name.split_once('.').filter(|_| is_azure_registry(name)) else {
        return Ok(());
    };
    // Azure may add a hyphen and a hash to the name of a resource.
    REGISTRY.check(key, first.split('-').next().unwrap_or_default())
}

fn is_azure_registry(host: &str) -> bool {
    AZURE_REGISTRIES.iter().any(|suffix| {
        let end = host.len().checked_sub(suffix.len());
        let end = end.and_then(|start| host.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    })
}

/// Returns the parts of a name before, between and after its placeholders: `%SETTING%` and, if
/// `has_braces` is true, `{name}`. Returns `None` if a placeholder is malformed, or if a `%` or a
/// brace does not belong to a placeholder.
fn literals(name: &str, has_braces: bool) -> Option<Vec<&str>> {
    let (mut parts, mut rest) = (Vec::new(), name);
    loop {
        let Some((before, after)) = rest.split_once(['%', '{', '}']) else {
            parts.push(rest);
            return Some(parts);
        };
        let opening = rest.get(before.len()..)?.chars().next()?;
        let close = match opening {
            '%' => '%',
            '{' if has_braces => '}',
            _ => return None,
        };
        let (inner, after) = after.split_once(close)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:".contains(&b);
        if inner.is_empty() || !inner.bytes().all(plain) {
            return None;
        }
        parts.push(before);
        rest = after;
    }
}

#[cfg(test)]
mod tests;
