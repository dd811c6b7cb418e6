"""Units of a Spark table, assigned by the executors: `BatchScorer` is what `mapInArrow` calls.

    equipoise run examples/voucher.toml
    python examples/batch/spark_units.py runs/voucher/policy units.parquet assigned

It needs PySpark (4.0 or newer) and Java; executors need Equipoise, and the policy at the same path.
"""

import os
import sys

from pyspark.sql import SparkSession

from equipoise.pipeline import BatchScorer

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # what executors on this machine run
policy, units, out = sys.argv[1:]
scorer = BatchScorer(policy)
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", False).getOrCreate()

rows = spark.read.parquet(units).repartition(4)
assignments = scorer.schema(rows.limit(0).toArrow().schema).empty_table()
schema = spark.createDataFrame(assignments).schema
rows.mapInArrow(scorer, schema).write.mode("overwrite").parquet(out)

spark.read.parquet(out).groupBy("chosen").count().orderBy("chosen").show()
spark.stop()
