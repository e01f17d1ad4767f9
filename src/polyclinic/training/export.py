"""A trained network as an ONNX graph that answers alike."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from polyclinic import dependencies
from polyclinic.arrays import Array
from polyclinic.errors import PolyclinicError
from polyclinic.packages.parts import OnnxPart

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto
    from torch import nn

OPSET = 20
TOLERANCE = 1e-4


def to_onnx(net: "nn.Module", example: Mapping[str, Array], dynamic: Mapping[str, tuple[int, ...]]) -> OnnxPart:
    """Export a network in evaluation mode; inputs are named like forward's arguments, the output is `raw`.

    example: name → array of at least two rows (torch.export takes a batch axis of 1 for a constant).
    dynamic: name → axes that vary besides the first.
    Raises `PolyclinicError` where the graph's answers differ from torch's.
    """
    torch = dependencies.need("torch", extra="train", to="export a network")
    dependencies.need("onnxscript", extra="train", to="export a network")
    tensors = {name: torch.as_tensor(np.ascontiguousarray(v)) for name, v in example.items()}
    varying = torch.export.Dim.DYNAMIC
    shapes = {name: dict.fromkeys((0, *dynamic.get(name, ())), varying) for name in tensors}
    with quiet(), torch.inference_mode(False), torch.no_grad():
        named = {"kwargs": tensors, "input_names": list(tensors), "output_names": ["raw"]}
        options = {"opset_version": OPSET, "dynamo": True, "external_data": False}
        program = torch.onnx.export(net, (), **named, dynamic_shapes=shapes, **options)
        expected = net(**tensors).numpy()
    part = OnnxPart(stripped(program.model_proto))
    gap = float(np.abs(part(dict(example))["raw"] - expected).max(initial=0.0))
    if not gap <= TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0))):
        fix = "rewrite the part of `forward` that ONNX does not carry over (packing, in-place masks)"
        raise PolyclinicError(f"the exported graph differs from torch by {gap:.1e}", fix=fix)
    return part


def stripped(proto: "ModelProto") -> bytes:
    """The graph without traces of the machine and the sources that made it: same weights, same bytes."""
    for message in (proto, *_within(proto.graph), *(n for f in proto.functions for n in (f, *f.node))):
        message.ClearField("metadata_props")
        message.ClearField("doc_string")
    return bytes(proto.SerializeToString(deterministic=True))


def _within(graph: "GraphProto") -> Iterator["GraphProto | NodeProto | TensorProto | ValueInfoProto"]:
    """A graph, its values and its nodes, those of branches and loops included."""
    yield from (graph, *graph.value_info, *graph.input, *graph.output, *graph.initializer, *graph.node)
    for attribute in (a for node in graph.node for a in node.attribute if a.HasField("g")):
        yield from _within(attribute.g)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's own remarks off the user's screen."""
    before = logging.root.manager.disable
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
