"""``python -m engine.local.rehearsal FOLDER``: one question to a throw-away federation over dummy files.

A process of its own, started by engine/client/rehearse.py: it takes signals and starts children, which a notebook
should not. FOLDER holds ``catalogue`` (encoded), ``question.json`` and one folder a node. Standard output is one JSON
object a line: ``{"progress"}``, then ``{"cells", "survivors", "keys"}`` or ``{"code", "facts"}``.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from engine.client.terms import price_of
from engine.errors import SplittallyError
from engine.governance.federation import default_rules
from engine.local.approvals import answered
from engine.local.attempt import terms_for
from engine.local.federation import LocalFederation
from engine.sql import prepare
from engine.trusted import wire
from engine.trusted.catalogue import Catalogue
from engine.trusted.join import is_join


def rehearsal(folder: Path) -> dict[str, object]:
    """Cells in ring units as the analyst opens them, and who answered."""
    question = json.loads((folder / "question.json").read_text())
    catalogue: Catalogue = wire.decode(Catalogue, (folder / "catalogue").read_bytes())
    epsilon, delta, n_min = Fraction(question["epsilon"]), Fraction(question["delta"]), int(question["n_min"])
    plan = prepare(question["sql"], catalogue, default_rules(n_min, int(question["f"]))).plan
    terms = terms_for(price_of(epsilon, delta, plan).total, n_min, plan, catalogue)
    terms = replace(terms, f=int(question["f"]))
    bindings = {host: folder / host for dataset in catalogue.datasets for host in dataset.hosts}
    with LocalFederation(catalogue, bindings, terms, _progress) as local, local.session() as session:
        _progress("asking the nodes")
        least = None if is_join(plan.aggregate) else n_min  # a join needs both owners anyway
        release = answered(local, session.query(question["sql"], epsilon=epsilon, delta=delta, n_min=least))
        digest = bytes.fromhex(release.request_id)
        released, keys = session.archive.released(digest), session.archive.keys(digest)
        _progress("stopping the nodes")
        chosen = None if keys is None else {"body": b64encode(keys.body).decode(), "named": keys.named}
        cells = list(released.cells) if released else []
        return {"cells": cells, "survivors": list(release.survivors), "keys": chosen}


def _progress(words: str) -> None:
    _say({"progress": words})


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> int:
    try:
        _say(rehearsal(Path(sys.argv[1])))
    except SplittallyError as error:
        _say({"code": error.code, "facts": dict(error.facts)})
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
