"""Round 4 at the server: reconstruct what is needed to take the masks off the sum, and nothing else."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from mpc import field
from mpc.errors import IntegrityError, TooFewParties
from mpc.masks import MaskKey
from mpc.party import PartyName
from mpc.prg import Signed, add_streams
from mpc.ring import Vector
from mpc.secagg.keys import commit_seed, pair_stream
from mpc.secagg.messages import SHARE, Keys
from mpc.secagg.parameters import Parameters
from mpc.sharing.shamir import Share, combine_bytes


@dataclass(frozen=True)
class Transcript:
    """What the server knows when it unmasks: keys and commitments of those who shared, and who survived."""

    keys: Mapping[PartyName, Keys]
    commitments: Mapping[PartyName, bytes]
    survivors: frozenset[PartyName]


def remove_masks(
    parameters: Parameters,
    total: Vector,
    transcript: Transcript,
    shares: Mapping[PartyName, Mapping[PartyName, bytes]],
    threads: int,
) -> None:
    """Subtract from ``total``, in place, each survivor's self-mask and each lost client's pairwise masks.

    ``shares`` maps owner to holder to share: of the seed for survivors, of the mask key for lost clients. Raises
    ``TooFewParties`` below the threshold for one client, ``IntegrityError`` if shares do not give the committed secret.
    """
    streams = []
    for owner in transcript.commitments:
        if owner in transcript.survivors:
            seed = _reconstruct(parameters, owner, shares.get(owner, {}))
            if not hmac.compare_digest(commit_seed(parameters, owner, seed), transcript.commitments[owner]):
                raise IntegrityError(f"the shares of {owner}'s self-mask seed are wrong")
            streams.append(Signed(seed, -1))
            continue
        partners = [n for n in parameters.graph[owner] if n in transcript.survivors]
        if partners:
            key = MaskKey(_reconstruct(parameters, owner, shares.get(owner, {})))
            if key.public != transcript.keys[owner].mask:
                raise IntegrityError(f"the shares of {owner}'s mask key are wrong")
            # what the lost client would have added is what the survivors' masks lack to cancel
            streams += [
                pair_stream(parameters, key, owner, key.public, partner, transcript.keys[partner].mask)
                for partner in partners
            ]
    add_streams(parameters.ring, total, streams, threads=threads)


def _reconstruct(parameters: Parameters, owner: PartyName, shares: Mapping[PartyName, bytes]) -> bytes:
    if len(shares) < parameters.threshold:
        raise TooFewParties(f"{len(shares)} neighbours of {owner} answered where {parameters.threshold} are needed")
    elements = SHARE // field.ELEMENT_BYTES
    chosen = sorted(shares)[: parameters.threshold]
    given = [
        Share(parameters.point(holder), parameters.threshold, field.from_bytes(shares[holder], elements))
        for holder in chosen
    ]
    return combine_bytes(given, 32)[0]
