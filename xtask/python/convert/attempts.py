"""The graphs that are tried for one model: in the precision that was asked for, and in double where single is not enough.

Owns which of them is kept. Must not know how a graph is made, nor how it is compared.
"""

from dataclasses import dataclass

from refusal import Refused
import comparison
import graphs
import precision


@dataclass(frozen=True)
class Attempt:
    """One graph and what the comparison says of it."""

    graph: object
    layout: object
    results: list
    compared: dict


def best(model, layout, expected, request, warnings):
    """The first graph that agrees: in single precision, then in double; the other way where trees see computed numbers."""
    exact = precision.is_needed(model)
    layouts = [layout]
    if not layout.given and layout.doubled() != layout:
        layouts = [layout.doubled(), layout] if exact else [layout, layout.doubled()]
    found, refused = [], []
    for one in layouts:
        try:
            found.append(_try(model, one, expected, request))
        except Refused as error:
            refused.append((one, error))
            continue
        if found[-1][0].compared["agrees"]:
            break
    if not found:
        # What is said of the inputs that were asked for.
        raise next(error for one, error in refused if one is layout)
    attempt, said = found[-1]
    if not attempt.compared["agrees"]:
        attempt, said = next((one for one in found if one[0].layout is layout), found[0])
    warnings.extend(said)
    if attempt.layout is not layout:
        names = ", ".join(f"`{port.name}`" for port in layout.ports[:8] if port.kind == "f32")
        why = "trees tell numbers apart that are one in single precision" if exact else "single precision gives other answers"
        warnings.append(f"inputs of f64, since {why}: {names}")
    return attempt


def _try(model, layout, expected, request):
    said = []
    graph = graphs.convert(model, layout, request["name"], said)
    results, compared = comparison.compare(graph, layout, expected, request["tolerance"], said)
    return Attempt(graph, layout, results, compared), said
