"""The intersection alone with openmined-psi (ECDH): needs openmined_psi only.

Run: PEER/bin/python benchmarks/peers/openmined_psi.py [persons a side]
"""

from __future__ import annotations

import resource
import sys
import time

import private_set_intersection.python as psi


def main(persons: int) -> None:
    server, client = psi.server.CreateWithNewKey(True), psi.client.CreateWithNewKey(True)
    ours = [f"person-{i}" for i in range(persons)]
    theirs = [f"person-{i}" for i in range(persons * 2 // 5, persons * 7 // 5)]
    began, spent = time.perf_counter(), time.process_time()
    setup = server.CreateSetupMessage(0.0, persons, theirs, psi.DataStructure.RAW)
    reply = server.ProcessRequest(client.CreateRequest(ours))
    found = client.GetIntersection(setup, reply)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"openmined-psi, 2 x {persons:,}: {len(found):,} shared, {time.perf_counter() - began:.1f} s,"
        f" {time.process_time() - spent:.1f} s of processor, {peak} MiB"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100_000)
