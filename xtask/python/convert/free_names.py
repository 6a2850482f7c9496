"""Names for tensors and nodes that are added to a graph.

Owns the choice of names that the graph does not use. Must not know what is added.
"""


def of(graph):
    """Returns a function that returns a name that the graph does not use, as close as possible to a
    given name.
    """
    taken = {name for node in graph.node for name in [node.name, *node.input, *node.output]}
    taken |= {one.name for one in [*graph.input, *graph.output, *graph.initializer]}
    new = lambda name: name if name not in taken else new(name + "_")
    return new
