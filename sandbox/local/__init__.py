"""A whole federation on one machine, as real processes: for ``make demo``, ``make serve`` and the end-to-end tests.

layout.lay_out     folders, keys, roster, configuration: what authority, owners and platform do by hand elsewhere
processes.Processes  starts hub, nodes and witness with the public commands and ends only what it started
federation.Federation  the people: owners register and review, an operator submits, an auditor looks
"""
