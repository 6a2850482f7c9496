"""Trees of scikit-learn that learned to which branch a missing number goes.

Owns the directions of missing numbers in the nodes of a graph. Must not know where the numbers come
from. skl2onnx builds the nodes without the directions.
"""

# Names of the converters of trees, and of ensembles with trees in `estimators_`.
_NAMES = [
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ExtraTreeClassifier",
    "ExtraTreeRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "IsolationForest",
]


def register(wrap):
    """Registers the converters. `wrap` puts a function around a converter of skl2onnx."""
    for name in _NAMES:
        wrap(f"Sklearn{name}", _with_directions)


def _with_directions(convert, scope, operator, container):
    before = len(container.nodes)
    convert(scope, operator, container)
    added = [node for node in container.nodes[before:] if node.op_type.startswith("TreeEnsemble")]
    trees = [one.tree_ for one in _trees(operator.raw_operator)]
    # Before scikit-learn 1.3, trees did not accept missing numbers.
    if not all(hasattr(tree, "missing_go_to_left") for tree in trees):
        return
    # A node of the graph has one tree or all trees, in the order of the estimators.
    for node in added:
        features, directions = _attribute(node, "nodes_featureids"), _attribute(node, "nodes_missing_value_tracks_true")
        split, left = [], []
        while len(split) < len(features.ints) and trees:
            tree = trees.pop(0)
            inner = tree.children_left >= 0
            split += [int(one) for one in tree.feature * inner]
            left += [int(one) for one in (tree.missing_go_to_left != 0) & inner]
        if split != list(features.ints):
            raise RuntimeError("the nodes of the graph are not those of the trees, so missing numbers have no direction")
        if any(left):
            directions.ints[:] = left


def _trees(part):
    """Returns the trees in the order of the graph's nodes."""
    return list(part.estimators_) if hasattr(part, "estimators_") else [part]


def _attribute(node, name):
    return next(one for one in node.attribute if one.name == name)
