"""A model's architecture as JSON: every node, every field, and nothing that could be run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minidl import initializers, layers
from minidl.graph import Graph
from minidl.initializers import Initializer
from minidl.module import Module
from minidl.record import Record
from minidl.types import Shape
from minidl.wiring import Node, checked_shapes


def to_json(graph: Graph) -> str:
    """Return the nodes, input shapes, type, frozen paths and classes of a graph that has shapes.

    Raises ``TypeError`` where a field of a module is no plain data.
    """
    if graph.shapes is None:
        raise ValueError("a graph without input_shape holds no arrays to save: build it with one")
    plan = {
        "input_shapes": {name: graph.shapes[name] for name in graph.inputs},
        "dtype": graph.dtype.name,
        "seed": graph.seed,
        "frozen": sorted(graph.frozen),
        "classes": graph.classes,
        "nodes": _encode(graph.architecture())["nodes"],
    }
    return json.dumps(plan, allow_nan=False)


def from_json(
    text: str,
    modules: Iterable[type[Module]] = (),
    check: Callable[[dict[str, Shape]], None] | None = None,
) -> Graph:
    """Return the graph that ``to_json`` wrote, with first values in its arrays.

    ``modules`` are classes of the user's own that it is made of. ``check`` is given the shape of
    every array by path before any is made, and may raise. Raises ``ValueError`` on an unknown
    module, or on text that describes no graph.
    """
    known = _known(modules)
    try:
        plan = json.loads(text)
        bare = Graph(inputs=tuple(plan["input_shapes"]))
        _add_nodes(bare, plan["nodes"], known)
        shapes = checked_shapes(plan["input_shapes"], bare.inputs)
        if check:
            specs = bare.parameters(*shapes.values())
            check({path: spec.shape for path, spec in specs.items()})
        return _built(bare, shapes, plan)
    except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"the architecture does not describe a graph: {error!r}") from error


def _built(bare: Graph, shapes: dict[str, Shape], plan: Mapping[str, Any]) -> Graph:
    """Return a graph of the same nodes that owns arrays."""
    graph = Graph(shapes, seed=plan["seed"], dtype=plan["dtype"])
    graph.classes = _texts(plan.get("classes", []))
    for node in bare.nodes.values():
        graph.add(node.name, node.module, *node.reads, share=node.share)
    frozen = _texts(plan["frozen"])
    if frozen:
        graph.freeze(*frozen)
    return graph


def _known(modules: Iterable[type[Module]]) -> dict[str, type[Record]]:
    """Return every class that may stand in a file, by name."""
    known: dict[str, type[Record]] = {name: getattr(layers, name) for name in layers.__all__}
    for value in vars(initializers).values():
        if isinstance(value, type) and issubclass(value, Initializer):
            known[value.__name__] = value
    for module in modules:
        if not (isinstance(module, type) and issubclass(module, Record)):
            raise TypeError(f"modules should be classes of your own, got {module!r}")
        if module.__name__ in {"Graph", *known} and known.get(module.__name__) is not module:
            raise ValueError(_taken(module.__name__))
        known[module.__name__] = module
    return known


def _taken(name: str) -> str:
    return f"minidl has a {name!r} of its own: files tell classes by name, so rename yours"


def _encode(value: Any) -> Any:
    """Return a field's value as JSON has it; a record becomes its type and fields."""
    if isinstance(value, Graph):
        nodes = [_encode(node) for node in value.nodes.values()]
        return {"type": "Graph", "inputs": list(value.inputs), "nodes": nodes}
    if isinstance(value, Node):
        return {name: _encode(field) for name, field in value.fields().items()}
    if isinstance(value, Record):
        name = type(value).__name__
        if name == "Graph" or _known(()).get(name, type(value)) is not type(value):
            raise ValueError(_taken(name))
        fields = {name: _encode(field) for name, field in value.fields().items()}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, (tuple, list)):
        return [_encode(one) for one in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"a module's fields should be numbers, text, tuples or other records, so that a file can"
        f" hold them; got {value!r}"
    )


def _decode(value: Any, known: Mapping[str, type[Record]]) -> Any:
    """Return what ``_encode`` wrote; JSON's lists were tuples."""
    if isinstance(value, list):
        return tuple(_decode(one, known) for one in value)
    if not isinstance(value, dict):
        return value
    if value["type"] == "Graph":
        graph = Graph(inputs=_texts(value["inputs"]))
        _add_nodes(graph, value["nodes"], known)
        return graph
    if value["type"] not in known:
        raise ValueError(
            f"it is made of {value['type']!r}, which is no module of minidl: pass its class, as in"
            f" load(path, modules=[{value['type']}])"
        )
    fields = {name: _decode(field, known) for name, field in value.items() if name != "type"}
    return known[value["type"]](**fields)


def _add_nodes(graph: Graph, nodes: list[Any], known: Mapping[str, type[Record]]) -> None:
    for node in nodes:
        module = _decode(node["module"], known)
        graph.add(node["name"], module, *_texts(node["reads"]), share=node["share"])


def _texts(value: Any) -> tuple[str, ...]:
    """Return a list of names; text by itself would pass for a list of its letters."""
    if not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        raise TypeError(f"expected a list of names, got {value!r:.100}")
    return tuple(value)
