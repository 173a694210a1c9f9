"""Generate the protobuf code, or check that what is committed is what would be generated.

python -m protos.build            write
python -m protos.build --check    exit 1 if any file differs
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def generate(target: Path) -> None:
    """Write ``*_pb2.py`` and ``*_pb2.pyi`` for every .proto file below ``target``."""
    sources = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "protos").rglob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(ROOT)]
    command += [f"--python_out={target}", f"--pyi_out={target}", *sources]
    subprocess.run(command, cwd=ROOT, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        stale = [
            str(fresh.relative_to(scratch))
            for fresh in sorted(Path(scratch).rglob("*_pb2.py*"))
            if not (ROOT / fresh.relative_to(scratch)).exists()
            or (ROOT / fresh.relative_to(scratch)).read_bytes() != fresh.read_bytes()
        ]
    for name in stale:
        print(f"stale: {name}; run python -m protos.build", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
