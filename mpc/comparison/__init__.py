"""Is a sum of shares at least k? Threshold tests on many shared counts at once that reveal only the bits.

``three`` runs among three parties with replicated sharing; ``two`` between two parties with AND triples from a source
that the caller names: oblivious transfer (nobody else involved) or a helper that is trusted not to collude.

Each answered bit narrows the count down: a caller that may repeat the test with other thresholds or other inputs finds
the count by bisection. Thresholds are fixed by the owners' rules, and every run is charged to a budget.
"""
