"""Both openmined.psi parties in one process, cardinality only, in its own environment: the number of items a side."""

import sys

import private_set_intersection.python as psi

items = int(sys.argv[1])
half = items // 2
server_items = [f"user{i}" for i in range(half, half + items)]
client_items = [f"user{i}" for i in range(items)]
for _ in sys.stdin:
    client = psi.client.CreateWithNewKey(False)
    server = psi.server.CreateWithNewKey(False)
    setup = server.CreateSetupMessage(0.0, items, server_items, psi.DataStructure.RAW)
    response = server.ProcessRequest(client.CreateRequest(client_items))
    sys.stdout.write(f"={client.GetIntersectionSize(setup, response)}\n")
    sys.stdout.flush()
