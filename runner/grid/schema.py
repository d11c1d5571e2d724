"""Generate the JSON Schema of grid.yaml, for editors, from the structs that the grid is read into.

A schema can say which keys there are, and which type and range a value has. What concerns several
values at once (a key given twice, axes of zip that differ in length, an exclude that matches
nothing) only `runner plan` can tell.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.resources import Resources
from jobs.parameters import describe
from jobs.registry import BUILT_IN, Workload, workload
from runner.grid import language
from runner.grid.written import DEFAULT_TARGET, DEFAULT_WORKLOAD

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The draft that editors' YAML servers know best."""

_REF = "#/definitions/{name}"
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_SEED = {"type": "integer", "minimum": 0}
_TARGET = {"type": "string", "minLength": 1, "description": "A target of the cluster profile."}


def grid_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of grid.yaml."""
    group = _group_keys()
    resources, definitions = msgspec.json.schema_components([Resources], ref_template=_REF)
    definitions |= {
        "generator": _generator(),
        "resources": resources[0],
        "group": {
            "type": "object",
            "properties": group,
            "additionalProperties": False,
            "allOf": _by_workload(),
        },
    }
    for name in BUILT_IN:
        definitions |= _of_workload(workload(name))
    described = {
        "name": _name("the sweep, and its folder in the store"),
        "description": {"type": "string"},
    }
    single = {key: value for key, value in group.items() if key != "name"}
    return {
        "$schema": DRAFT,
        "title": "grid.yaml of runner",
        "type": "object",
        "required": ["name"],
        "if": {"required": ["groups"]},
        "then": {
            "properties": {
                **described,
                "groups": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"$ref": _REF.format(name="group")},
                },
            },
            "additionalProperties": False,
        },
        "else": {
            "properties": {**described, **single},
            "additionalProperties": False,
            "allOf": _by_workload(),
        },
        "definitions": definitions,
    }


def _group_keys() -> dict[str, Any]:
    """Return the keys of a group, without those that depend on its workload."""
    entries = {"type": "array", "items": {"type": "object", "minProperties": 1}}
    return {
        "name": _name("what --set NAME.KEY=VALUE and reports call the group"),
        "workload": {
            "type": "string",
            "default": DEFAULT_WORKLOAD,
            "description": "train, svm, or package.module:function",
        },
        "command": {
            "type": "string",
            "minLength": 1,
            "description": "A command line, its parameters in braces, instead of a workload.",
        },
        "target": {
            "anyOf": [_TARGET, {"type": "array", "minItems": 1, "items": _TARGET}],
            "default": DEFAULT_TARGET,
        },
        "matrix": {"type": "object", "description": "Axes, crossed with each other."},
        "zip": {
            "type": "object",
            "description": "Axes of one length, walked together, crossed with the matrix.",
        },
        "fixed": {
            "type": "object",
            "description": "Parameters that all trials of the group share.",
        },
        "include": {
            **entries,
            "description": "Points to add; an entry never changes a point of the product.",
        },
        "exclude": {
            **entries,
            "description": "Points to drop: those that match all keys of an entry.",
        },
        "repeats": {
            "type": "integer",
            "minimum": 1,
            "default": 1,
            "description": "How many seeds: n gives 0 to n-1.",
        },
        "resources": {"$ref": _REF.format(name="resources")},
        "isolate": {
            "type": "boolean",
            "default": False,
            "description": "Whether each trial has a process for itself.",
        },
    }


def _by_workload() -> list[dict[str, Any]]:
    """Return what a group may give to each built-in workload; the parameters of a user's own
    function are its arguments."""
    rules = []
    for name in BUILT_IN:
        this: dict[str, Any] = {"properties": {"workload": {"const": name}}}
        if name == DEFAULT_WORKLOAD:
            this["not"] = {"required": ["command"]}
        else:
            this["required"] = ["workload"]
        places = {
            "matrix": {"$ref": _REF.format(name=f"{name}-axes")},
            "zip": {"$ref": _REF.format(name=f"{name}-axes")},
            "fixed": {"$ref": _REF.format(name=f"{name}-values")},
            "include": {"items": {"$ref": _REF.format(name=f"{name}-values")}},
            "exclude": {"items": {"$ref": _REF.format(name=f"{name}-excluded")}},
        }
        rules.append({"if": this, "then": {"properties": places}})
    return rules


def _of_workload(of: Workload) -> dict[str, Any]:
    """Return the parameters of a workload: as values, as axes of values, and as keys of an
    exclude."""
    words = {parameter.name: parameter.meaning for parameter in describe(of)}
    (reference,), structs = msgspec.json.schema_components([of.params], ref_template=_REF)
    fields = structs.pop(reference["$ref"].rpartition("/")[2])["properties"]
    values = {name: {**schema, "description": words[name]} for name, schema in fields.items()}
    axes = {
        name: {
            "anyOf": [
                {
                    "type": "array",
                    "minItems": 1,
                    "items": {key: item for key, item in value.items() if key != "default"},
                },
                {"$ref": _REF.format(name="generator")},
            ],
            "description": value["description"],
        }
        for name, value in values.items()
    }
    target = {"type": "array", "minItems": 1, "items": _TARGET}
    return {
        **structs,
        f"{of.name}-values": {
            "type": "object",
            "properties": {**values, "target": _TARGET},
            "additionalProperties": False,
        },
        f"{of.name}-axes": {
            "type": "object",
            "properties": {**axes, "target": target},
            "additionalProperties": False,
        },
        f"{of.name}-excluded": {
            "type": "object",
            "properties": {**values, "target": _TARGET, "seed": _SEED},
            "additionalProperties": False,
            "minProperties": 1,
        },
    }


def _generator() -> dict[str, Any]:
    ends = {"type": "array", "items": [_NUMBER, _NUMBER, _COUNT], "minItems": 3, "maxItems": 3}
    steps = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 3}
    arguments = {
        "linspace": {**ends, "description": "[first, last, how many]"},
        "logspace": {
            **ends,
            "items": [{"type": "number", "exclusiveMinimum": 0}] * 2 + [_COUNT],
            "description": "[first, last, how many]",
        },
        "range": {**steps, "description": "[start, stop, step]; the stop is left out"},
    }
    return {
        "type": "object",
        "properties": arguments,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _name(meaning: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{language.NAME.pattern}$", "description": meaning}
