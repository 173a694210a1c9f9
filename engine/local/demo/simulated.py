"""The simulated residents of the package ``pseudopeople``, without its noise, as the departments' own files.

Run as a child process (``python -m engine.local.demo.simulated DIR``): the package and pandas stay out of the
caller. ``simulant_id`` identifies a person. Source: pseudopeople 1.3.1, BSD-3, sample data inside the package.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from engine.local.demo.schema import COUNCILS, Table, council_of, write_table


def write(folder: Path) -> None:
    """Write the five departments' files below ``folder``, one folder a node."""
    import pseudopeople

    quiet = {"config": pseudopeople.NO_NOISE}
    _write(folder / "tax", Table.TAXES, pseudopeople.generate_taxes_w2_and_1099(**quiet))
    numbers = pseudopeople.generate_social_security(**quiet)
    _write(folder / "social-security", Table.SOCIAL_SECURITY, numbers[numbers["event_type"] == "creation"])
    census = pseudopeople.generate_decennial_census(**quiet)
    council = census["household_id"].map(council_of)
    for name in COUNCILS:
        _write(folder / name, Table.CENSUS, census[council == name])


def _write(folder: Path, table: Table, frame: Any) -> None:
    write_table(folder, table, {name: frame[name].tolist() for name in table.columns})


if __name__ == "__main__":
    write(Path(sys.argv[1]))
