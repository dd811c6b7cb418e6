"""Units of a Ray Dataset, assigned block by block; each worker process reads the policy once.

    equipoise run examples/voucher.toml
    python examples/batch/ray_units.py runs/voucher/policy units.parquet assigned

It needs Ray Data: pip install "ray[data]".
"""

import sys

import pyarrow as pa
import ray

from equipoise.pipeline import BatchScorer

policy, units, out = sys.argv[1:]
scorer = BatchScorer(policy)


def assigned(block: pa.Table) -> pa.Table:
    """The assignments of a block of units."""
    return pa.Table.from_batches(scorer(block.to_batches()), scorer.schema(block.schema))


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
rows = ray.data.read_parquet(units)
rows.map_batches(assigned, batch_format="pyarrow", batch_size=None).write_parquet(out)
print(ray.data.read_parquet(out).count(), "units")
