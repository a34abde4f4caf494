"""Keys on disk and what is trusted out of band.

key = create_key(Path("owner.key"), secrets.token_bytes, b"a passphrase")   # 0600, locked, never overwritten
key = load_key(Path("owner.key"))      # UnsafeKeyFile if others could read it; passphrase: UNSEEN_PASSPHRASE_FILE
entry = certify_node("owner-ewr", "node-ewr", node_key.public, node_seal.public, start, end, [key])
trust = Trust.load(Path("trust.json"))                       # pinned root keys, log origin, witness policy
trusted = trust.rosters(); trusted.update(roster_bytes)
"""

from sandbox.keys.certify import certify_node
from sandbox.keys.files import create_key, load_key
from sandbox.keys.passphrase import given_passphrase
from sandbox.keys.private import read_private
from sandbox.keys.sealing import create_sealing_key, load_sealing_key
from sandbox.keys.trust import Trust

__all__ = [
    "Trust",
    "certify_node",
    "create_key",
    "create_sealing_key",
    "given_passphrase",
    "load_key",
    "load_sealing_key",
    "read_private",
]
