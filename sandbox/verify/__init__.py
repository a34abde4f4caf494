"""Check receipts and the log's history offline, with nothing but trust.json.

    verified = verify_receipt(Path("receipt.json").read_bytes(), Trust.load(Path("trust.json")), now)
    verified = verify_receipt(receipt, trust, now, content=csv_bytes, salt=salt)    # also compares the table itself
    print(*verified.checks, sep="\\n")

A receipt that does not hold raises ``ReceiptRefused``: ``step`` is one of receipt, roster, commitment, grant, record,
permit, status, scope, sent, release, delivery, vouch, entry, checkpoint, inclusion, cosignature, witness, time or
output; the text says why.

    entries = verify_entries(map(read_item, exported), checkpoint)  # an auditor: all entries, none edited
    reconcile(verified_outbox_record.document, entries).agrees      # a node's own record against the log
"""

from sandbox.verify.assemble import assemble_receipt
from sandbox.verify.history import Hidden, Reconciliation, join_pages, read_item, reconcile, verify_entries
from sandbox.verify.receipt import VerifiedReceipt, verify_receipt

__all__ = [
    "Hidden", "Reconciliation", "VerifiedReceipt", "assemble_receipt", "join_pages", "read_item", "reconcile",
    "verify_entries", "verify_receipt",
]  # fmt: skip
