"""All spu parties as processes joined by loopback TCP, run by spu's own environment: protocol, parties, count, k.

Shares are made beforehand and the bits stay shared, except in the first round, which checks them: only the secure
addition and comparison run per line of input.
"""

import multiprocessing
import socket
import sys

import numpy as np
import spu.libspu as libspu
from spu import api
from spu.utils import frontend


def party(rank, ports, protocol, columns, threshold, shares, pipe):
    config, executable = prepared(protocol, columns, threshold)
    description = libspu.link.Desc()
    for number, port in enumerate(ports):
        description.add_party(f"party{number}", f"127.0.0.1:{port}")
    runtime = api.Runtime(libspu.link.create_brpc(description, rank), config)
    for name, share in zip(executable.input_names, shares, strict=True):
        runtime.set_var(name, share)
    while wanted := pipe.recv():
        runtime.run(executable)
        pipe.send(runtime.get_var(executable.output_names[0]) if wanted == "bits" else None)


def prepared(protocol, columns, threshold):
    config = libspu.RuntimeConfig(protocol=getattr(libspu.ProtocolKind, protocol), field=libspu.FieldType.FM64)
    executable, _ = frontend.compile(
        frontend.Kind.JAX,
        lambda *counts: sum(counts) >= threshold,
        columns,
        {},
        [f"in{n}" for n in range(len(columns))],
        [libspu.Visibility.VIS_SECRET] * len(columns),
        lambda out: [f"out{n}" for n in range(len(out))],
    )
    return config, executable


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main():
    protocol, parties, count, threshold = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    inputs = [(np.arange(count) * (n + 3) % 11).astype(np.int32) for n in range(parties)]
    config, _ = prepared(protocol, inputs, threshold)
    io = api.Io(parties, config)
    shares = [io.make_shares(column, libspu.Visibility.VIS_SECRET) for column in inputs]
    spawn = multiprocessing.get_context("spawn")  # a fork would lose the threads that spu started
    ports, pipes = free_ports(parties), []
    for rank in range(parties):
        here, there = spawn.Pipe()
        arguments = (rank, ports, protocol, inputs, threshold, [column[rank] for column in shares], there)
        spawn.Process(target=party, args=arguments, daemon=True).start()
        pipes.append(here)
    right, wanted = False, "bits"  # only the warm-up pays for handing out and checking the bits
    for _ in sys.stdin:
        for pipe in pipes:
            pipe.send(wanted)
        answers = [pipe.recv() for pipe in pipes]
        if wanted == "bits":
            right = bool((io.reconstruct(answers) == (sum(inputs) >= threshold)).all())
            wanted = "run"
        sys.stdout.write(f"\n={right}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
