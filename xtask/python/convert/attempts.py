"""Graphs that are tried for one model: in the requested precision, and in double precision if
single precision is not enough.

Owns the choice of the graph that is kept. Must not know how a graph is made, nor how it is
compared.
"""

from dataclasses import dataclass

from refusal import Refused
import comparison
import graphs
import precision


@dataclass(frozen=True)
class Attempt:
    """One graph, and the result of its comparison with the library."""

    graph: object
    layout: object
    results: list
    compared: dict


def best(model, layout, expected, request, warnings):
    """Returns the first attempt that agrees with the library, or else the attempt with the given
    layout. Single precision is tried before double precision. If trees get computed numbers, double
    precision is tried first.
    """
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
        # The error that is raised is that of the layout that was asked for.
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
