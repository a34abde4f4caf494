"""Private set intersection at millions of rows from oblivious-transfer extension.

``kkrt`` is the two-party protocol (``Sender`` and ``Receiver``), ``multi`` the star of many parties. The other modules
are their steps: ``items`` (bytes to digests), ``cuckoo`` (one item per bin), ``code`` (pseudorandom code), ``okvs``
(programmed answers), ``lookup``, ``shuffle``, ``parameters`` (sizes and their failure probabilities), ``messages``.
"""
