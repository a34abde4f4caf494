"""One spu party, run by spu's own environment: protocol, rank (0 receives), input CSV, output CSV, a port per party."""

import sys

import spu.libspu.link as link
import spu.psi as psi

protocol, rank, path, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
description = link.Desc()
description.recv_timeout_ms = 300_000
for number, port in enumerate(sys.argv[5:]):
    description.add_party(f"party{number}", f"127.0.0.1:{port}")
context = link.create_brpc(description, rank)
for _ in sys.stdin:
    config = psi.PsiExecuteConfig(
        protocol_conf=psi.PsiProtocolConfig(
            protocol=psi.parse_protocol(f"PROTOCOL_{protocol}"), receiver_rank=0, bucket_size=1 << 20
        ),
        input_params=psi.InputParams(path=path, selected_keys=["id"], keys_unique=True),
        output_params=psi.OutputParams(path=out, disable_alignment=True),
    )
    result = psi.psi_execute(config, context)
    sys.stdout.write(f"\n={result.intersection_count if rank == 0 else 0}\n")
    sys.stdout.flush()
