"""Units that a DuckDB query finds, assigned as they stream by, and the assignments asked in SQL.

equipoise run examples/voucher.toml
python examples/batch/duckdb_units.py runs/voucher/policy units.parquet assigned.parquet
"""

import sys

import duckdb
import pyarrow as pa

from equipoise.pipeline import BatchScorer

policy, units, out = sys.argv[1:]
scorer = BatchScorer(policy)
database = duckdb.connect()

# A cursor of its own: one query reads while the other writes.
rows = database.cursor().read_parquet(units).to_arrow_reader(50_000)
assigned = pa.RecordBatchReader.from_batches(scorer.schema(rows.schema), scorer(rows))
database.register("assigned", assigned)
database.sql(f"copy (from assigned) to '{out}' (format parquet)")
print(database.sql(f"select chosen, count(*) as units from '{out}' group by all order by all"))
