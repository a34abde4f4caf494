"""A node (节点): one owner's domain. It opens no port: it long-polls the hub, checks everything again, and answers.

loop.Node.tick        one poll, its items dispatched; ``serve`` loops around it
accept.check          bytes of an order in, an ``Accepted`` out, or the reason why this node will not run it
run.JobRun            one job, from the accepted order to the destroyed intermediates
walk.Walk             the kind's rounds: what is relayed is verified, what is said is stored before it is sent
ledger                uses and metered units: reserve, commit, refund
record                the append-only encrypted record of everything that left
follower              follows the hub's log, cosigns checkpoints, proves that own messages are in it
control               the owner's local socket: revoke, status, record
"""
