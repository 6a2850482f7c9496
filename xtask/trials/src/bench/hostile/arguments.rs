//! The command line of `cargo xtask bench hostile`, and of the process that it starts as the
//! attacker.
//!
//! Owns the flags and their help. Must not know how anything is measured.

use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use scorebox_packager::format::Format;

use super::attacks::names;
use crate::bench::round::seconds;

/// Flags of `cargo xtask bench hostile`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs redis-server (apt-get install redis-server), and root on Linux for the container: a control group \
                  with a memory limit of 512 MiB. Without root the host runs without a limit, attacks that fill memory use \
                  fewer connections, and the result says so. Takes about 13 minutes once everything is built. All traffic \
                  stays on the loopback interface, and every attack ends by itself.\n\nThe project's bounds: ratios.lost is \
                  0, ratios.worst_p50 is at most 1.5, ratios.worst_p99 is at most 5, and no attack has `killed`.\n\n\
                  Examples:\n  cargo xtask bench hostile --quick\n  cargo xtask bench hostile --output json > \
                  figures.json\n  cargo xtask bench hostile --attack slow-bodies --attack silent --rounds 3"
)]
pub struct HostileBenchArgs {
    /// Measure only this attack. Repeat the flag for several attacks [default: all].
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    pub attack: Vec<String>,
    /// Measure this `scorebox` program instead of building the image's host, e.g. to compare two
    /// versions.
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
    /// Number of rounds of each attack. Every ratio is a median over the rounds.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Length of the attack in a round, and of the control after it, in seconds, e.g. 2 or 0.5.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Run one round, with an attack of 0.5 s and an eighth of the connections. This shows that the
    /// benchmark works, but its figures mean little.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub quick: bool,
    /// Format of standard output: a table for people, or one JSON object with every figure.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Flags of the process that `bench hostile` starts to attack a host, or to burn CPU time for
/// comparison.
#[derive(Debug, Args)]
pub struct AttackerArgs {
    /// Run this attack.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(names()), requires = "address")]
    pub attack: Option<String>,
    /// Burn this many cores and send nothing, instead of attacking.
    #[arg(
        long,
        value_name = "CORES",
        conflicts_with = "attack",
        required_unless_present = "attack"
    )]
    pub burn: Option<f64>,
    /// Address of the host to attack. Only loopback addresses are accepted.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    pub address: Option<SocketAddr>,
    /// Number of connections that the attack keeps open.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub connections: u16,
    /// Time after which this process ends, in seconds.
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: f64,
}

/// Reason why a text on the command line is not the address of a host that may be attacked.
#[derive(Debug, thiserror::Error)]
enum AddressError {
    #[error("not an address with a port, e.g. 127.0.0.1:8080")]
    NotAnAddress(#[source] AddrParseError),
    #[error("not a loopback address")]
    NotLoopback,
}

fn loopback(text: &str) -> Result<SocketAddr, AddressError> {
    let address: SocketAddr = text.parse().map_err(AddressError::NotAnAddress)?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(AddressError::NotLoopback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_calls_a_round_by_one_name() {
        let mut command = HostileBenchArgs::augment_args(clap::Command::new("hostile"));
        let help = command.render_long_help().to_string();
        let mut words = help.split(|c: char| !c.is_alphabetic());
        assert!(help.contains("rounds"), "{help}");
        assert!(
            words.all(|word| !["turn", "turns"].contains(&word)),
            "{help}"
        );
    }

    #[test]
    fn only_loopback_addresses_can_be_attacked() {
        assert!(loopback("127.0.0.1:80").is_ok());
        assert!(loopback("10.0.0.1:80").is_err());
        assert!(loopback("localhost").is_err());
    }
}
