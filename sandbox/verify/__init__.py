"""Check receipts and the log's history offline, with nothing but trust.json.

    verified = verify_receipt(Path("receipt.json").read_bytes(), Trust.load(Path("trust.json")), now)
    verified = verify_receipt(receipt, trust, now, content=csv_bytes, salt=salt)    # also compares the table itself
    print(*verified.checks, sep="\\n")

A receipt that does not hold raises ``ReceiptRefused``: ``step`` is one of receipt, roster, commitment, grant, record,
permit, status, scope, sent, release, delivery, vouch, entry, checkpoint, inclusion, cosignature, witness, time or
output; the text says why.

    log = verify_log(read_export(file.read_text()), trust)          # an auditor: all entries, none edited
    reconcile(verified_outbox_record.document, log.entries).agrees  # a node's own record against the log
    compare_transcripts(records)                                    # the nodes with each other
    count_runs(record, entries, grants)                             # uses of grants with the hub's counts
"""

from sandbox.verify.assemble import assemble_receipt
from sandbox.verify.exported import VerifiedLog, first_line, read_export, verify_log
from sandbox.verify.history import Hidden, read_item, verify_entries
from sandbox.verify.receipt import VerifiedReceipt, verify_receipt
from sandbox.verify.reconcile import (
    Divergence,
    Reconciliation,
    RunCount,
    compare_transcripts,
    count_runs,
    join_pages,
    reconcile,
)

__all__ = [
    "Divergence", "Hidden", "Reconciliation", "RunCount", "VerifiedLog", "VerifiedReceipt", "assemble_receipt",
    "compare_transcripts", "count_runs", "first_line", "join_pages", "read_export", "read_item", "reconcile",
    "verify_entries", "verify_log", "verify_receipt",
]  # fmt: skip
