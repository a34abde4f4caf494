"""A node (节点): one owner's domain. It opens no port: it long-polls the hub, checks everything again, and answers.

loop.Node.tick        one poll, its items dispatched; ``serve`` loops around it
checks.check_order    bytes of a permit in, a ``CheckedOrder`` out, or the reason why this node will not run it
joint.JointParty      the three rounds of a joint statistic, sans-I/O
ledger                uses and cells: reserve, commit, refund
record                the append-only encrypted record of everything that left
follower              follows the hub's log, cosigns checkpoints, proves that own messages are in it
control               the owner's local socket: revoke, status, record
"""
