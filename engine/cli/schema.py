"""``splittally schema NAME``: JSON Schemas of files that people write and of the register."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    name: Annotated[str, typer.Argument(metavar="NAME", help="catalogue, agreement, rules, node or register.")],
) -> None:
    """Print the JSON Schema of a file that people write, or of the register."""
    from engine.cli.show import print_json
    from engine.errors import BadFile
    from engine.governance.schemas import SCHEMAS

    if name not in SCHEMAS:
        raise BadFile("FILE_FORM", form=name, forms=", ".join(SCHEMAS))
    print_json(SCHEMAS[name]())
