"""Oblivious pseudorandom functions: RFC 9497 in all three modes, ciphersuite ristretto255-SHA512, over libsodium.

``modes`` holds the RFC's functions, ``party`` the two roles that exchange messages. Whoever may query the server learns
one pseudonym per query: queries are an oracle, and the caller must charge them to a budget.
"""
