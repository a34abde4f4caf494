"""Secure aggregation with dropout recovery: SecAgg (Bonawitz et al. 2017) and SecAgg+ (Bell et al. 2020).

``Client`` and ``Server`` are the parties, ``Parameters`` what all of them agree on beforehand. See ``client`` for the
rounds and for what an active server can and cannot do.
"""

from mpc.secagg.client import Client
from mpc.secagg.graph import Degree, choose_degree, neighbours
from mpc.secagg.parameters import Parameters
from mpc.secagg.server import Server

__all__ = ["Client", "Degree", "Parameters", "Server", "choose_degree", "neighbours"]
