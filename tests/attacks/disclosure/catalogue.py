"""Every attack that is a share of targets: what it is called, where it runs, what stops it, what is its control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jobs.disclosure.profile import Profile, load_profile
from tests.attacks.disclosure import differences as d
from tests.attacks.disclosure import oracles as o
from tests.attacks.disclosure import priors as p
from tests.attacks.disclosure import repeated as r
from tests.attacks.disclosure.bench import Attack, Outcome
from tests.attacks.disclosure.simulated import Simulated

STANDARD: Final = load_profile("standard@2")


def changed(**values: int) -> Profile:
    """``standard@2`` with one defence changed."""
    return STANDARD.model_copy(update=values)


BENCHES: Final[dict[str, Callable[[], Simulated]]] = {
    "standard": lambda: Simulated(STANDARD, "standard@2"),
    "open": lambda: Simulated(load_profile("open@1"), "open@1"),
    "open, rows as units": lambda: Simulated(load_profile("open@1"), "open@1", rows_are_units=True),
    "noise without audit": lambda: Simulated(changed(leverage_cap_percent=0), "standard@2"),
    "noise of no key": lambda: Simulated(changed(leverage_cap_percent=0), "standard@2", unkeyed=True),
    "ranges without noise": lambda: Simulated(STANDARD, "standard@2", tight=True),
    "with dominance": lambda: Simulated(changed(dominance_k_percent=75, secret_vetoes=10**6), "standard@2"),
    "records as unknowns": lambda: Simulated(STANDARD, "standard@2", by_records=True),
    "records by place": lambda: Simulated(STANDARD, "standard@2", by_place=True),
    "insiders": lambda: Simulated(STANDARD, "standard@2", sight="insiders"),
    "insiders, open": lambda: Simulated(load_profile("open@1"), "open@1", sight="insiders"),
}

FILTERS: Final = "a condition is known AND secret, and a small base is closed"
NOISE: Final = "keyed noise"
AUDIT: Final = "audit"
PRINTS: Final = "the audit knows a record by all in it that is no secret"
AVERAGE: Final = "noise without audit"

ATTACKS: Final = (
    # one owner's income by listening to what is withheld
    Attack("pass-bits", "nine known people OR the target with income >= t, bisected", "exact", o.pass_bits, True, FILTERS),
    Attack(
        "pass-bits-apart", "the same as a condition that may be asked: (nine or the target) AND income >= t", "exact",
        o.pass_bits_apart, False, "what a secret condition selects is judged by its noisy count", works=0.8,
    ),
    Attack("nulls", "a null of one person, by the tenth value of a column", "attribute", o.nulls, False, NOISE),
    Attack("refusals", "anything in answers or refusals that differs with one secret", "attribute", o.refusals, False, FILTERS),
    Attack("dominance", "a sum is closed when the target earns much", "attribute", o.dominance_bits, False,
           "no rule looks at secret values", control="with dominance"),
    # differences
    Attack("one-pair", "a group without and with the target", "attribute", d.one_pair, True, NOISE),
    Attack("32-pairs", "32 pairs for each of 24 people, three owners", "attribute", d.thirty_two_pairs, False, AUDIT),
    Attack("60-pairs", "60 pairs each: noise alone averages away", "attribute", d.many_pairs, False, AUDIT, AVERAGE, works=0.74),
    Attack("insiders", "the hub and two of three owners, who take their parts off", "attribute", d.thirty_two_pairs, False,
           "noise and audit at each owner", "insiders, open", bench="insiders"),
    Attack("tracker", "q(T or x) + q(not T or x) - q(all)", "attribute", d.tracker, False, NOISE),
    Attack("complement", "all, less all but one, by FILTER", "attribute", d.complement, False, NOISE),
    Attack("margins", "a margin less its other cells", "attribute", d.margins, False, NOISE),
    Attack("equality", "which of four pairs have equal answers", "attribute", d.equal_answers, False, "the key is the question, not the records"),
    Attack("sums", "one income, as the difference of two sums", "exact", d.overlapping_sums, False, NOISE),
    Attack("sums-guess", "60 such pairs: above the middle or not", "attribute", d.overlapping_sums_guess, False, AUDIT, AVERAGE, works=0.76),
    Attack("signed-sum", "one signed value by sums near zero, three owners", "exact", d.signed_sum, False, "the grid follows the noise, not the value"),
    Attack("mean-times-count", "AVG * COUNT of two groups", "exact", d.mean_times_count, False, NOISE, works=0.8),
    Attack("moments", "VAR + AVG + COUNT of two groups", "exact", d.moments, False, NOISE, works=0.8),
    Attack("reconstruction", "180 random halves of each of six groups of 60, solved", "rebuilt", d.rebuilt, False, AUDIT, works=0.85),
    Attack("reconstruction-averaged", "the same against noise without an audit", "rebuilt", d.rebuilt, False, AUDIT, AVERAGE, works=0.7),
    Attack("correlated-cuts", "20 pairs on each of six cut points", "attribute", d.correlated_cuts, False, "one system for each column", AVERAGE, works=0.8),
    Attack("all-categories", "48 pairs in each of four categories of a column", "attribute", d.all_categories, False,
           "one system for each column", AVERAGE, works=0.7),
    Attack("swapped-rows", "two rows of one person, swapped between two bases", "attribute", d.swapped_rows, False,
           "columns of the audit are records", AVERAGE, works=0.7),
    Attack("heavy-unit", "14 of 73 records of a base are one person's, all alike", "attribute", d.heavy_unit, False,
           "what is said of a person is one unknown", "records as unknowns"),
    Attack("alike", "60 pairs with and without twelve who are all ill, or none is", "exact", d.alike, False,
           "none: the audit bounds individuals, not groups", admitted=True, works=0.9,
           residual="the total of a known group becomes exact over many pairs, and all know of one another where all are alike"),
    # what others' values are like
    Attack("outlier", "60 sums of one group whose others earn next to nothing", "attribute", p.outlier, False,
           "none: the audit takes others to be as uncertain as can be", admitted=True,
           residual="the total of a group becomes exact, and where the others hardly differ it is the one's value: bounds as narrow as the "
           "values are, with larger ones written as the largest"),
    Attack("known-weights", "incomes weighed by a known column, with and without one person", "exact", d.known_weights, False,
           "known values do not weigh secret ones"),
    Attack("hidden-weights", "24 sums of income x visits, where only the target has visits and the attacker knows it", "attribute",
           d.hidden_weights, False, "a product needs the weight of ten"),
    Attack("medians", "two medians without and with one person", "attribute", d.medians, False,
           "each count behind a median is noisy and audited", works=0.8),
    # edges
    Attack("full-cells", "houses where all or none are ill", "exact", o.full_cells, False, "full and empty cells are withheld", works=0.45),
    Attack("no-spread", "a deviation of zero and the mean", "exact", o.no_spread, False, "a deviation within twice its error is withheld"),
    Attack("swept-thresholds", "a pair at each of 63 cut points", "exact", o.swept_thresholds, False, "noise; one system for each column",
           residual="1 of 64 intervals is hit by chance"),
    Attack("bucket-offsets", "thresholds between cut points, by bent buckets", "exact", o.bucket_offsets, False, "only declared cut points"),
    Attack("unit-inflation", "one person with twelve records", "attribute", o.unit_inflation, False, "units are counted, not rows", "open, rows as units"),
    Attack("finer-digits", "arithmetic on outputs, to see behind the grid", "exact", o.finer_digits, False, "expressions see what is shown"),
    Attack("having", "a number bisected by HAVING", "exact", o.bisected_by_having, False, "HAVING sees what is shown"),
    Attack("noise-overflow", "totals at the edge of the proven range", "exact", o.extreme_values, False, "the range proof includes the noise",
           "ranges without noise", works=0.2),
    # again
    Attack("insertion", "a row goes in; the same question before and after", "attribute", r.inserted, False, NOISE),
    Attack("deletion", "a row goes out", "attribute", r.deleted, False, NOISE),
    Attack("change", "a value turns round", "attribute", r.changed, False, NOISE),
    Attack("many-versions", "in and out six times", "attribute", r.many_versions, False, AUDIT),
    Attack("newest-first", "4 pairs about the oldest row of a person in each of 18 versions, which put a row before it", "attribute", p.newest_first,
           False, PRINTS, "records by place", works=0.8),
    Attack("oldest-gone", "the same, where each version takes away one of the rows before it", "attribute", p.oldest_gone,
           False, PRINTS, "records by place", works=0.75),
    Attack("shuffled", "the same, where the row stands at another place among 18 in each version", "attribute", p.shuffled,
           False, PRINTS, "records by place", works=0.75),
    Attack("two-names", "one file under five names", "attribute", r.two_names, False, "the audit is of the unit domain and of content"),
    Attack("sole-and-joint", "one owner's part alone, and within three", "attribute", r.sole_and_joint, False, "the audit is of the unit domain"),
    Attack("two-operators", "each asks half", "attribute", r.two_operators, True, "the audit is of the unit domain"),
    Attack("two-operators-again", "the same of more people, with fixed keys", "attribute", r.two_operators_again, False, "the audit is of the unit domain"),
    Attack("joins", "three joins that change nothing", "attribute", r.joined_again, False, "the audit is of the unit domain"),
    Attack("spellings", "each cell in twelve spellings", "attribute", r.spellings, False, "one question in all spellings; audit"),
    Attack("group-or-filter", "GROUP BY, WHERE and FILTER of one cell", "exact", r.group_or_filter, False, "one question in all spellings",
           "noise of no key", works=0.7),
)  # fmt: skip

LIVE: Final = tuple(attack for attack in ATTACKS if attack.live)
SIMULATED: Final = tuple(attack for attack in ATTACKS if not attack.live)


def simulated(attack: Attack, bench: str) -> Outcome:
    return attack.run(BENCHES[bench]())
