"""The intersection alone with SecretFlow SPU's RR22, two processes on loopback: needs spu only.

Run: PEER/bin/python benchmarks/peers/spu_rr22.py [persons a side]
"""

from __future__ import annotations

import multiprocessing
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

import spu.libspu.link as link
import spu.psi as psi


def ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return found


def party(rank: int, addresses: list[str], folder: str, told: multiprocessing.SimpleQueue) -> None:
    described = link.Desc()
    for place, address in enumerate(addresses):
        described.add_party(f"party{place}", address)
    context = link.create_brpc(described, rank)
    began, spent = time.perf_counter(), time.process_time()
    protocol = psi.PsiProtocolConfig(protocol=psi.PsiProtocol.PROTOCOL_RR22, receiver_rank=0, broadcast_result=False)
    config = psi.PsiExecuteConfig(
        protocol_conf=protocol,
        input_params=psi.InputParams(path=f"{folder}/{rank}.csv", selected_keys=["id"]),
        output_params=psi.OutputParams(path=f"{folder}/{rank}.out"),
    )
    report = psi.psi_execute(config, context)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    told.put((rank, time.perf_counter() - began, time.process_time() - spent, peak, str(report)))


def main(persons: int) -> None:
    addresses, told = [f"127.0.0.1:{port}" for port in ports(2)], multiprocessing.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        for rank, first in enumerate((0, persons * 2 // 5)):
            lines = "\n".join(f"person-{i}" for i in range(first, first + persons))
            Path(f"{folder}/{rank}.csv").write_text(f"id\n{lines}\n")
        start = multiprocessing.get_context("spawn").Process
        both = [start(target=party, args=(rank, addresses, folder, told)) for rank in (0, 1)]
        for process in both:
            process.start()
        for _ in both:
            rank, wall, cpu, peak, report = told.get()
            print(
                f"SPU RR22, 2 x {persons:,}, party {rank}: {wall:.1f} s, {cpu:.1f} s of processor, {peak} MiB; {report}"
            )
        for process in both:
            process.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
