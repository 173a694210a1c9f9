"""Generate the protobuf code and the frozen types, or check that what is committed is what would be generated.

python -m protos.build            write
python -m protos.build --check    exit 1 if any file differs
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from protos.frozen import OUTPUTS, write_types

ROOT = Path(__file__).resolve().parent.parent


def generate(target: Path) -> None:
    """Write ``*_pb2.py``, ``*_pb2.pyi`` and the frozen types below ``target``."""
    sources = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "protos").rglob("*.proto"))
    described = target / "protos.descriptors"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(ROOT), f"--python_out={target}"]
    command += [f"--pyi_out={target}", f"--descriptor_set_out={described}", "--include_source_info", *sources]
    subprocess.run(command, cwd=ROOT, check=True)
    write_types(FileDescriptorSet.FromString(described.read_bytes()), target)
    described.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = [*Path(scratch).rglob("*_pb2.py*"), *(Path(scratch) / name for name in OUTPUTS)]
        names = sorted(str(file.relative_to(scratch)) for file in fresh)
        stale = [name for name in names if _differs(ROOT / name, Path(scratch) / name)]
    for name in stale:
        print(f"stale: {name}; run python -m protos.build", file=sys.stderr)
    return 1 if stale else 0


def _differs(committed: Path, fresh: Path) -> bool:
    return not committed.exists() or committed.read_bytes() != fresh.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
