"""Both openmined.psi parties in one process, run by its own environment: the number of items per side."""

import sys

import private_set_intersection.python as psi

items = int(sys.argv[1])
half = items // 2
server_items = [f"user{i}" for i in range(half, half + items)]
client_items = [f"user{i}" for i in range(items)]
for _ in sys.stdin:
    client = psi.client.CreateWithNewKey(True)
    server = psi.server.CreateWithNewKey(True)
    setup = server.CreateSetupMessage(0.0, items, server_items, psi.DataStructure.RAW)
    response = server.ProcessRequest(client.CreateRequest(client_items))
    found = client.GetIntersection(setup, response)
    sys.stdout.write(f"={len(found)}\n")
    sys.stdout.flush()
