"""The schemas that `inference_schema`'s decorators state about a script.

Owns what is read from that package, and the mark on values that its types refuse. Must not know
how a script is called.
"""

import functools
import inspect
import sys

import scorebox_hooks

_MARK = "_scorebox_refused"


def is_decorated(run):
    """Returns true if `run` has schemas."""
    schemas = sys.modules.get("inference_schema.schema_util")
    return bool(schemas and schemas.is_schema_decorated(run))


def stated_by(run):
    """Returns the schemas of `run`: a dict with `input`, `output` and `versions`.

    The schemas are those of Swagger. `versions` has the versions of Swagger that can hold them.
    """
    schemas = sys.modules["inference_schema.schema_util"]
    stated = {"input": schemas.get_input_schema(run), "output": schemas.get_output_schema(run)}
    # Early versions of the package know version 2 alone, and do not say so.
    versions = getattr(schemas, "get_supported_versions", lambda _: ["2.0"])
    return {**stated, "versions": versions(run)}


def arrays_of(run):
    """Returns the shapes, without the first dimension, of parameters that become arrays of 64-bit floats.

    A parameter is one of them if its type gives a list of numbers of this shape the same array as
    numpy does.
    """
    module = sys.modules.get("inference_schema.parameter_types.numpy_parameter_type")
    shapes, seen = {}, set()
    # Another decorator may look at the list before the types convert it.
    while module and _is_of_the_package(getattr(run, "_self_wrapper", None)):
        # A decorator keeps what it was given in the variables of its function.
        given = inspect.getclosurevars(run._self_wrapper).nonlocals
        name, type_ = given.get("param_name"), given.get("param_type")
        # The outermost of several types of a parameter converts the list.
        if name not in seen and type(type_) is module.NumpyParameterType and _is_plain(given, type_):
            shapes[name] = type_.sample_input.shape[1:]
        seen.add(name)
        run = run.__wrapped__
    return shapes


def _is_of_the_package(wrapper):
    return inspect.isfunction(wrapper) and wrapper.__module__ == "inference_schema.schema_decorators"


def _is_plain(given, type_):
    sample = type_.sample_input
    return (
        given.get("convert_to_provided_type") is True
        and given.get("optional") is False
        and type_.enforce_column_type is True
        and type_.enforce_shape is True
        and "deserialize_input" not in vars(type_)
        and sample.dtype.str == "<f8"
        and sample.ndim > 0
        and 0 not in sample.shape[1:]
    )


def refused_by_type(error):
    """Returns true if a type of `inference_schema` raised this exception for a value of a request."""
    return getattr(error, _MARK, False)


def _mark_refusals(decorators):
    convert = decorators._deserialize_input_argument

    @functools.wraps(convert)
    def marking(*arguments, **named):
        try:
            return convert(*arguments, **named)
        except Exception as error:
            setattr(error, _MARK, True)
            raise

    decorators._deserialize_input_argument = marking


def install():
    """Marks refusals when `inference_schema` is imported."""
    scorebox_hooks.after_import("inference_schema.schema_decorators", _mark_refusals)
