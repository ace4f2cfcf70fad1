"""One SELECT over a store, in a database in memory that can reach neither files nor networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from bnnbench.results.index.chunks import OF_RUN, RUN
from bnnbench.results.query.tables import COLUMNS, PLACE, QueryTables, invocations_of, query_tables
from bnnbench.results.store.parts import is_part
from bnnbench.results.store.place import require_store
from bnnbench.results.store.runs import Store

if TYPE_CHECKING:
    import duckdb

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
}
_ATTEMPTS = 3
_ALLOWED = ("SELECT", "EXPLAIN")


class QueryError(ValueError):
    """A query that can't be run; one sentence."""


def query(store: Store, sql: str, *, explain: bool = False) -> pa.Table:
    """The answer to a SELECT over the tables of `COLUMNS`; `explain`: how it would be found, in a column `plan`.

    Raises QueryError, StoreError, and ImportError without DuckDB.
    """
    require_store(store.path)
    for _ in range(_ATTEMPTS - 1):
        tables = query_tables(store)
        try:
            return _answer(store, tables, sql, explain)
        except QueryError:
            if all(is_part(folder) for folder in tables.folders):
                raise  # else a part of the index was merged into another one meanwhile
    return _answer(store, query_tables(store), sql, explain)


def _answer(store: Store, tables: QueryTables, sql: str, explain: bool) -> pa.Table:
    """Raises QueryError, StoreError."""
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        _require_select(connection, sql)
        _create(connection, store, tables, sql)
        connection.execute("SET lock_configuration = true")
        found = connection.sql(f"EXPLAIN {sql}" if explain else sql)
        if explain:
            return pa.table({"plan": ["\n".join(str(row[-1]) for row in found.fetchall())]})
        return found.to_arrow_table()
    except duckdb.Error as error:
        raise QueryError(_sentence(str(error))) from None
    finally:
        connection.close()


def _require_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type.name not in _ALLOWED:
        kinds = " and ".join(statement.type.name for statement in statements)
        raise QueryError(f"it is {f'of type {kinds}' if kinds else 'empty'}: write one SELECT")


def _create(connection: duckdb.DuckDBPyConnection, store: Store, found: QueryTables, sql: str) -> None:
    """Makes the tables; that of invocations only where they are asked for, because each run has a file of them."""
    for name in ("runs", "devices", "verdicts"):
        connection.register(name, found.small[name])
    connection.register("_cases", found.small["cases"])
    listed = {
        letter: ", ".join(f'{"r" if name in OF_RUN else letter}."{name}"' for name in COLUMNS["cases"])
        for letter in ("c", "r")
    }
    selects = [f"SELECT {listed['r']} FROM _cases AS r"]  # noqa: S608 - our own names alone
    for number, part in enumerate(found.parts):
        connection.register(f"_cases_{number}", part.cases)
        connection.register(f"_runs_{number}", part.runs)
        joined = f"_cases_{number} AS c JOIN _runs_{number} AS r ON c.{RUN} = r.{PLACE}"
        selects.append(f"SELECT {listed['c']} FROM {joined}")  # noqa: S608 - our own names alone
    _view(connection, "cases", selects)
    if "invocations" in sql.lower():
        names = []
        for number, invocations in enumerate(invocations_of(store)):
            names.append(f"_invocations_{number}")
            connection.register(names[-1], invocations)
        _view(connection, "invocations", [f"FROM {name}" for name in names])


def _view(connection: duckdb.DuckDBPyConnection, name: str, selects: list[str]) -> None:
    connection.execute(f"CREATE VIEW {name} AS {' UNION ALL '.join(selects)}")


def _sentence(text: str) -> str:
    """DuckDB's error in one line: what is wrong, and the names that it proposes."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("LINE", "^"))]
    return " ".join(kept).rstrip(".") or "DuckDB refused it"
