"""Run `runner schema grid|cluster`: print the JSON Schema of a file, for editors."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from runner.cli import output


class Kind(StrEnum):
    """The files that a user writes."""

    grid = "grid"
    cluster = "cluster"


def schema(
    kind: Annotated[Kind, typer.Argument(help="Which file: grid.yaml or cluster.yaml.")],
) -> None:
    """Print the JSON Schema of grid.yaml or cluster.yaml.

    `runner init` writes it beside the file and names it in the first line,
    where editors with a YAML language server look for it.

    \b
    Example:
      runner schema grid > grid.schema.json
      check-jsonschema --schemafile grid.schema.json grid.yaml
    """
    output.json(schema_of(kind))


def schema_of(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema of one kind of file."""
    if kind is Kind.grid:
        from runner.grid.schema import grid_schema

        return grid_schema()
    from cluster.profile import json_schema

    return json_schema()
