"""Texts that differ in letter case and edge spaces only, made one: ``ab1 `` and ``AB1`` are the same individual."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def folded(texts: pa.Array) -> pa.Array:
    """Upper case without white space at the edges (of any script); what is empty then is missing."""
    if pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_decode()
    return without_blanks(pc.utf8_upper(pc.utf8_trim_whitespace(texts.cast(pa.string()))))


def without_blanks(texts: pa.Array) -> pa.Array:
    """An empty text is a missing value."""
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)
