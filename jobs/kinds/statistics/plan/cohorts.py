"""``IN (SELECT ...)`` and ``EXISTS (SELECT ...)`` in WHERE: written as joins inside each owner's domain.

A cohort is chosen by a table with one row for each key, so ``IN`` is a join and a condition on the joined columns:
known and secret ones are then told apart as everywhere. Parsed SQL in, parsed SQL out.
"""

from __future__ import annotations

from sqlglot import exp

from jobs.kinds.statistics.plan.errors import MissingDeclaration, UnknownName
from jobs.kinds.statistics.plan.source import Source
from jobs.near import nearest
from jobs.schema import CatalogueView, Dataset, Role


def joined(select: exp.Select, source: Source, catalogue: CatalogueView) -> None:
    """Rewrite the cohorts of WHERE in place. Raises ``UnsupportedSql``, ``MissingDeclaration``, ``UnknownName``."""
    where = select.args.get("where")
    if where is None or where.find(exp.Select) is None:
        return
    _qualify(select, catalogue)
    parts = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
    kept: list[exp.Expr] = []
    for number, part in enumerate(parts, start=1):
        inner, negated = part.unnest(), False
        while isinstance(inner, exp.Not):
            inner, negated = inner.this.unnest(), not negated
        if isinstance(inner, exp.Exists) or (isinstance(inner, exp.In) and inner.args.get("query") is not None):
            kept += _Cohort(source, catalogue, select, f"cohort_{number}").conditions(inner, negated)
        elif part.find(exp.Select) is not None:
            raise source.refuse(
                part,
                "a SELECT inside a condition: possible are IN (SELECT ...) and EXISTS (SELECT ...), each a condition "
                "of its own",
            )
        else:
            kept.append(part)
    select.set("where", exp.Where(this=_all(kept)) if kept else None)


def _qualify(select: exp.Select, catalogue: CatalogueView) -> None:
    """Columns of the statement's own tables carry their names, so that no cohort makes them ambiguous."""
    tables = [select.args["from_"].this] if select.args.get("from_") else []
    tables += [join.this for join in select.args.get("joins") or []]
    holders: dict[str, list[exp.Table]] = {}
    for table in tables:
        for dataset in catalogue.datasets:
            if isinstance(table, exp.Table) and dataset.name == table.name.lower():
                for column in dataset.columns:
                    holders.setdefault(column.name, []).append(table)
    outputs = {output.alias.lower() for output in select.expressions if isinstance(output, exp.Alias)}
    for found in list(select.find_all(exp.Column)):
        name, ordered = found.name.lower(), found.find_ancestor(exp.Order) is not None
        if found.table or found.find_ancestor(exp.Select) is not select or (ordered and name in outputs):
            continue
        if len(holders.get(name, ())) == 1:
            found.set("table", exp.to_identifier(holders[name][0].alias_or_name))


class _Cohort:
    def __init__(self, source: Source, catalogue: CatalogueView, outer: exp.Select, name: str) -> None:
        self.source = source
        self.catalogue = catalogue
        self.outer = outer
        self.name = name

    def conditions(self, node: exp.Expr, negated: bool) -> list[exp.Expr]:
        """Adds the join; what remains to be true of its rows."""
        inner = node.args["query"].this if isinstance(node, exp.In) else node.this
        if not isinstance(inner, exp.Select):
            raise self.source.refuse(node, "a cohort is one SELECT")
        self.source.only(inner, "expressions", "from_", "where")
        dataset, known = self._table(inner)
        tests = self._tests(inner, dataset, known)
        keys: list[tuple[exp.Expr, str]] = []
        if isinstance(node, exp.In):
            shown = inner.expressions[0].unalias() if len(inner.expressions) == 1 else None
            if not isinstance(shown, exp.Column) or not isinstance(node.this.unnest(), exp.Column):
                raise self.source.refuse(node, "IN (SELECT ...) compares one column with one column")
            keys = [(node.this.unnest(), shown.name.lower())]
        rest = []
        for test in tests:
            pair = self._key(test)
            if pair is not None:
                keys.append(pair)
            else:
                rest.append(test)
        if not any(set(key) <= {name for _, name in keys} for key in dataset.unique_keys):
            raise self.source.refuse(
                node,
                f"a cohort by {dataset.name}, which may have several rows of one individual: possible with a table "
                "whose unique key the dataset declares",
                MissingDeclaration,
            )
        return self._join(node, dataset, keys, rest, negated)

    def _join(
        self, node: exp.Expr, dataset: Dataset, keys: list[tuple[exp.Expr, str]], rest: list[exp.Expr], negated: bool
    ) -> list[exp.Expr]:
        on = _all([exp.EQ(this=left.copy(), expression=exp.column(right, self.name)) for left, right in keys])
        table = exp.Table(this=exp.to_identifier(dataset.name), alias=exp.TableAlias(this=exp.to_identifier(self.name)))
        join = exp.Join(this=table, on=on, side="LEFT" if negated else None)
        self.outer.set("joins", [*(self.outer.args.get("joins") or []), join])
        if not negated:
            return rest
        if not rest:
            raise self.source.refuse(
                node, f"who is not in {dataset.name} at all: possible are those without a condition"
            )
        missing = exp.Not(
            this=exp.Paren(this=exp.Is(this=exp.Paren(this=_all(rest)), expression=exp.Boolean(this=True)))
        )
        if isinstance(node, exp.In) and not self._is_unit(keys[0][0]):
            return [missing, exp.Not(this=exp.Is(this=keys[0][0].copy(), expression=exp.Null()))]
        return [missing]

    def _is_unit(self, column: exp.Expr) -> bool:
        """Rows without a unit are left out or not registrable, so a unit is never null."""
        table = self.outer.args["from_"].this
        datasets = [d for d in self.catalogue.datasets if isinstance(table, exp.Table) and d.name == table.name.lower()]
        return any(c.name == column.name.lower() and c.role is Role.UNIT for d in datasets for c in d.columns)

    def _table(self, inner: exp.Select) -> tuple[Dataset, str]:
        clause = inner.args.get("from_")
        table = clause.this if clause is not None else None
        if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
            raise self.source.refuse(inner, "a cohort is chosen from one dataset")
        self.source.only(table, "this", "alias")
        try:
            return self.catalogue.dataset(table.name.lower()), table.alias_or_name.lower()
        except KeyError:
            near = nearest(table.name, [d.name for d in self.catalogue.datasets])
            text = f"unknown dataset {table.name.lower()[:64]!r}{near}"
            raise self.source.refuse(table, text, UnknownName) from None

    def _tests(self, inner: exp.Select, dataset: Dataset, known: str) -> list[exp.Expr]:
        """The conjuncts of the inner WHERE, its own columns under the join's name."""
        where = inner.args.get("where")
        if where is None:
            return []
        names = {column.name for column in dataset.columns}
        for column in where.find_all(exp.Column):
            own = column.table.lower() == known or (not column.table and column.name.lower() in names)
            if own and isinstance(column.this, exp.Identifier):
                column.set("table", exp.to_identifier(self.name))
        return list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]

    def _key(self, test: exp.Expr) -> tuple[exp.Expr, str] | None:
        """``inner.key = outer.column`` as the outer column and the inner name."""
        test = test.unnest()
        if not isinstance(test, exp.EQ):
            return None
        for one, other in ((test.left, test.right), (test.right, test.left)):
            if not isinstance(one, exp.Column) or not isinstance(other, exp.Column):
                continue
            if one.table == self.name and other.table != self.name:
                return other, one.name.lower()
        return None


def _all(parts: list[exp.Expr]) -> exp.Expr:
    found = exp.Paren(this=parts[0].copy()) if len(parts) > 1 else parts[0].copy()
    for part in parts[1:]:
        found = exp.And(this=found, expression=exp.Paren(this=part.copy()))
    return found
