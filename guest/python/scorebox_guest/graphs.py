"""The graphs of the model: ONNX files that the host runs.

Owns the description of graphs, and runs by name. Must not know the inference engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Sequence, Union

from . import errors
from ._host import Err, interface
from .errors import Failed
from .tensor import Dtype, NamedTensor


@dataclass
class Texts:
    """A tensor of texts, with the name of its port."""

    name: str
    shape: Sequence[int]
    texts: List[str]

    def values(self) -> List[str]:
        """Returns the texts in row-major order."""
        return self.texts


@dataclass
class GraphPort:
    """An input or output of a graph. ``dtype`` is ``None`` if the elements are texts.

    ``None`` in ``shape`` is a dimension of any size. ``classes`` has the classes of an output that
    is a list of maps from class to number in the ONNX file. It is empty for any other port, and if
    the host does not know the classes.
    """

    name: str
    dtype: Optional[Dtype]
    shape: List[Optional[int]]
    classes: List[str]


@dataclass
class GraphInfo:
    """The description of a graph. ``inputs`` lacks those with a default value in the ONNX file."""

    name: str
    inputs: List[GraphPort]
    outputs: List[GraphPort]


def all() -> List[GraphInfo]:
    """Returns the descriptions of all graphs of the model, in the order of their names."""
    return [
        GraphInfo(one.name, [_port(port) for port in one.inputs], [_port(port) for port in one.outputs])
        for one in interface("graphs").list()
    ]


def run(graph: str, inputs: Iterable[Union[NamedTensor, Texts]]) -> Dict[str, Union[NamedTensor, Texts]]:
    """Runs a graph on one tensor for each of its inputs. Returns its outputs, by name.

    ``graph`` is the path of the file in the model, without ``.onnx``. An input for which the file
    has a default value may be left out. Raises ``Failed`` if the model does not have the graph, or
    if the run fails.
    """
    host = interface("graphs")
    try:
        outputs = host.compute(graph, [_lowered(host, one) for one in inputs])
    except Err as error:
        raise errors.of_graph(error.value) from error
    return {one.name: _lifted(one) for one in outputs}


def output(outputs: Dict[str, Union[NamedTensor, Texts]], name: str) -> Union[NamedTensor, Texts]:
    """Returns the output ``name`` of a run.

    Raises ``Failed`` if the graph does not have this output.
    """
    found = outputs.get(name)
    if found is None:
        raise Failed("no-such-output", "the scorer reads an output that its graph does not have", name)
    return found


def _port(port) -> GraphPort:
    plain = getattr(port.element, "value", None)
    dtype = None if plain is None else Dtype(plain.name.lower())
    return GraphPort(port.name, dtype, list(port.shape), list(port.classes))


def _lowered(host, tensor):
    if isinstance(tensor, Texts):
        return host.Tensor(tensor.name, list(tensor.shape), host.Elements_Texts(tensor.texts))
    dtype = getattr(interface("model").Dtype, tensor.dtype.name)
    return host.Tensor(tensor.name, tensor.shape, host.Elements_Plain((dtype, tensor.data)))


def _lifted(tensor):
    value = tensor.elements.value
    if isinstance(value, list):
        return Texts(tensor.name, list(tensor.shape), value)
    dtype, data = value
    return NamedTensor(tensor.name, Dtype(dtype.name.lower()), list(tensor.shape), data)
