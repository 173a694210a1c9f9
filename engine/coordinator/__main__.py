"""``python -m engine.coordinator --home DIR [--listen HOST:PORT] [--deadline SECONDS] [--store URL]``.

The store's URL may stand in the environment instead (SPLITTALLY_STORE): a command line is read by every user.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from engine.coordinator.events import Windows
from engine.coordinator.server import serve
from engine.errors import SplittallyError
from engine.trusted.home import Home


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m engine.coordinator")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--listen", default="", help="host:port; port 0 takes a free one (see HOME/address)")
    parser.add_argument("--deadline", type=float, default=Windows().share / 1e3, help="seconds nodes have to answer")
    parser.add_argument("--store", help="postgresql://USER@HOST:PORT/DATABASE; default: a file in the home")
    options = parser.parse_args()
    store = options.store or os.environ.get("SPLITTALLY_STORE", "")
    try:
        serve(Home.load(options.home), options.listen, Windows(share=int(options.deadline * 1e3)), store)
    except SplittallyError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
