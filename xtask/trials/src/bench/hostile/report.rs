//! Figures of `cargo xtask bench hostile` as a table for people.
//!
//! Owns the table. Must not know how a figure was measured.

use std::fmt::Write as _;

use super::figures::{AttackFigures, Figures};

/// Returns the figures of all attacks as a table for people.
pub fn table(figures: &Figures) -> String {
    let mut text = String::new();
    let Figures {
        cores,
        rounds,
        round_seconds,
        calls_per_second,
        container_mib,
        skipped,
        ratios,
        attacks,
    } = figures;
    let container = container_mib.map_or("no container".to_owned(), |mib| {
        format!("the host in a container of {mib} MiB")
    });
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "one client with {calls_per_second} calls per second during each attack; {rounds} rounds of \
         {round_seconds} s; {cores} cores, shared with client and attacker; {container}; × is the \
         median of the rounds' ratios to the same client next to a process that burns as much CPU \
         time as the attacker"
    );
    let heading = (
        "attack",
        "p50 ms",
        "p99 ms",
        "lost",
        "peak MiB",
        "after",
        "attacker's cores",
        "answered/refused/broken",
    );
    let (attack, p50, p99, lost, peak, after, own, deeds) = heading;
    let _ = writeln!(
        text,
        "\n{attack:<15} {p50:>16} {p99:>18} {lost:>10} {peak:>9} {after:>6} {own:>17}  {deeds}"
    );
    for attack in attacks {
        let _ = writeln!(text, "{}", line(attack));
    }
    for AttackFigures {
        name, first_loss, ..
    } in attacks
    {
        if let Some(loss) = first_loss {
            let _ = writeln!(
                text,
                "first call lost during {name}: {}",
                loss.escape_debug()
            );
        }
    }
    let _ = writeln!(text, "\nratios     worst p50  {}", shown(ratios.worst_p50));
    let _ = writeln!(text, "           worst p99  {}", shown(ratios.worst_p99));
    let _ = writeln!(text, "           lost       {}", ratios.lost);
    let _ = writeln!(text, "           peak       {:.0} MiB", ratios.peak_mib);
    for skipped in skipped {
        let _ = writeln!(text, "not measured: {skipped}");
    }
    text
}

/// Formats a ratio for the table. The ratio of a host that has ended is shown as infinity.
fn shown(ratio: f64) -> String {
    if ratio < 1e6 {
        format!("{ratio:.2}")
    } else {
        "∞".to_owned()
    }
}

fn line(attack: &AttackFigures) -> String {
    let cell = |ms: f64, ratio: f64| format!("{ms:.2} ×{}", shown(ratio));
    let deeds = attack.attacker;
    format!(
        "{:<15} {:>16} {:>18} {:>10} {:>9.0} {:>6.0} {:>17.2}  {}/{}/{}{}",
        attack.name,
        cell(attack.p50_ms.median, attack.p50),
        cell(attack.p99_ms.median, attack.p99),
        format!("{}/{}", attack.lost, attack.calls),
        attack.peak_mib,
        attack.after_mib,
        deeds.cores,
        deeds.answered,
        deeds.refused,
        deeds.broken,
        if attack.killed { "  KILLED" } else { "" }
    )
}
