"""The graphs that are tried for one model: in the precision that was asked for, and in double where single is not enough.

Owns which of them is kept. Must not know how a graph is made, nor how it is compared.
"""

from dataclasses import dataclass

from refusal import Refused
import comparison
import graphs


@dataclass(frozen=True)
class Attempt:
    """One graph and what the comparison says of it."""

    graph: object
    layout: object
    results: list
    compared: dict


def best(model, layout, expected, request, warnings):
    """The graph in single precision if it agrees, the one in double precision if that does, else the first."""
    first, said = _try(model, layout, expected, request)
    if first.compared["agrees"] or layout.given or layout.doubled() == layout:
        warnings.extend(said)
        return first
    try:
        second, said_again = _try(model, layout.doubled(), expected, request)
    except Refused:
        second = None
    if second is None or not second.compared["agrees"]:
        warnings.extend(said)
        return first
    names = ", ".join(f"`{port.name}`" for port in layout.ports if port.kind == "f32")
    wrong = max(one.get("mismatches") or 0 for one in first.compared["outputs"])
    warnings.extend(said_again)
    warnings.append(f"inputs of f64, since {wrong} rows differ in single precision: {names}")
    return second


def _try(model, layout, expected, request):
    said = []
    graph = graphs.convert(model, layout, request["name"], said)
    results, compared = comparison.compare(graph, layout, expected, request["tolerance"], said)
    return Attempt(graph, layout, results, compared), said
