"""Columns sealed under homomorphic encryption (BFV for exact integers, CKKS for scores), computed on without a key.

``advise`` finds parameters for a described computation; a ``JobKey`` seals columns; a ``Bench`` loads and computes;
``Worker`` and ``KeyHolder`` open masked results into two shares.
"""

from mpc.sealed.advisor import advise
from mpc.sealed.audit import replay
from mpc.sealed.circuit import (
    ColumnSum,
    GroupSum,
    InnerProduct,
    Layer,
    RealInnerProduct,
    RowWeightedSum,
    Scoring,
    VectorSum,
    WeightedSum,
    circuit_digest,
)
from mpc.sealed.compute import Bench, column_sum, group_sum, inner_product, row_weighted_sum, vector_sum, weighted_sum
from mpc.sealed.keys import JobKey, KeyPolicy, PublicSealer
from mpc.sealed.masking import combine
from mpc.sealed.messages import KeyMaterial, OpenRequest, SealedColumn
from mpc.sealed.opening import KeyHolder, Worker
from mpc.sealed.parameters import Opening, Parameters, Scheme
from mpc.sealed.scoring import Dense, score

__all__ = [
    "Bench",
    "ColumnSum",
    "Dense",
    "GroupSum",
    "InnerProduct",
    "JobKey",
    "KeyHolder",
    "KeyMaterial",
    "KeyPolicy",
    "Layer",
    "OpenRequest",
    "Opening",
    "Parameters",
    "PublicSealer",
    "RealInnerProduct",
    "RowWeightedSum",
    "Scheme",
    "Scoring",
    "SealedColumn",
    "VectorSum",
    "WeightedSum",
    "Worker",
    "advise",
    "circuit_digest",
    "column_sum",
    "combine",
    "group_sum",
    "inner_product",
    "replay",
    "row_weighted_sum",
    "score",
    "vector_sum",
    "weighted_sum",
]
