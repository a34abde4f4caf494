"""Keys of secure aggregation: mask seeds, sealed shares and signatures, each bound to the parameters' digest."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from mpc.errors import IntegrityError
from mpc.masks import MaskKey, derive_seed
from mpc.party import PartyName
from mpc.prg import Signed
from mpc.secagg.messages import SHARE, Keys
from mpc.secagg.parameters import Parameters

_MASK: Final = b"unseen/mpc/secagg/v1/mask"
_BOX: Final = b"unseen/mpc/secagg/v1/box"
_KEYS: Final = b"unseen/mpc/secagg/v1/keys"
_SURVIVORS: Final = b"unseen/mpc/secagg/v1/survivors"
_NONCE: Final = bytes(12)  # each key seals one message: it comes from two fresh keys and binds parameters and direction


def pair_stream(
    parameters: Parameters, key: MaskKey, own: PartyName, own_public: bytes, peer: PartyName, peer_public: bytes
) -> Signed:
    """The stream that ``own`` adds for the pair: + for the client first in the list, - for the other."""
    first_is_own = parameters.position(own) < parameters.position(peer)
    parts = [own.encode(), own_public, peer.encode(), peer_public]
    ordered = parts if first_is_own else [*parts[2:], *parts[:2]]
    return Signed(derive_seed(key.agree(peer_public), _MASK, parameters.digest, *ordered), 1 if first_is_own else -1)


def seal(parameters: Parameters, secret: bytes, sender: PartyName, receiver: PartyName, shares: bytes) -> bytes:
    return _cipher(parameters, secret, sender, receiver).encrypt(_NONCE, shares, None)


def unseal(
    parameters: Parameters, secret: bytes, sender: PartyName, receiver: PartyName, box: bytes
) -> tuple[bytes, bytes]:
    """Open a box into the shares of the mask key and of the self-mask seed; ``IntegrityError`` if it is not genuine."""
    try:
        plain = _cipher(parameters, secret, sender, receiver).decrypt(_NONCE, box, None)
    except InvalidTag:
        raise IntegrityError(f"the shares from {sender} are not genuine, or its parameters or model differ") from None
    return plain[:SHARE], plain[SHARE:]


def sign_keys(parameters: Parameters, identity: Ed25519PrivateKey, owner: PartyName, keys: Keys) -> bytes:
    return identity.sign(_keys_statement(parameters, owner, keys))


def verify_keys(parameters: Parameters, owner: PartyName, keys: Keys) -> None:
    """Raise ``IntegrityError`` unless model and, in the signed variant, signature are right."""
    if keys.model != parameters.model_digest:
        raise IntegrityError(f"{owner} holds another model: parties with different models do not aggregate")
    if parameters.signed:
        statement = _keys_statement(parameters, owner, keys)
        _verify(parameters, owner, keys.signature, statement, "its keys are not signed by its identity")


def sign_survivors(parameters: Parameters, identity: Ed25519PrivateKey, bitmap: bytes) -> bytes:
    return identity.sign(_SURVIVORS + parameters.digest + bitmap)


def verify_survivors(parameters: Parameters, signer: PartyName, signature: bytes, bitmap: bytes) -> None:
    """Raise ``IntegrityError`` unless ``signer`` signed exactly this survivor list."""
    statement = _SURVIVORS + parameters.digest + bitmap
    _verify(parameters, signer, signature, statement, "it has not signed this survivor list")


def commit_seed(parameters: Parameters, owner: PartyName, seed: bytes) -> bytes:
    """A commitment to a 32-byte random seed, so the server notices wrong shares of it."""
    return hashlib.sha256(parameters.digest + owner.encode() + seed).digest()


def _cipher(parameters: Parameters, secret: bytes, sender: PartyName, receiver: PartyName) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(derive_seed(secret, _BOX, parameters.digest, sender.encode(), receiver.encode()))


def _keys_statement(parameters: Parameters, owner: PartyName, keys: Keys) -> bytes:
    return b"".join([_KEYS, parameters.digest, keys.cipher, keys.mask, owner.encode()])


def _verify(parameters: Parameters, signer: PartyName, signature: bytes, statement: bytes, what: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(parameters.identities[signer]).verify(signature, statement)
    except (InvalidSignature, ValueError):
        raise IntegrityError(f"{signer}: {what}") from None
