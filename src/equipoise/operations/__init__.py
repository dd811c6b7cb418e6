"""Operations: how strategies of incentives are brought to traffic, measured over time, watched,
replaced and paid for.  Numbers in, numbers out: no clock and no files; time comes as an argument.
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.allocation.cadence import Cadence as Cadence
    from equipoise.operations.bounds import Bounds as Bounds
    from equipoise.operations.bounds import Rules as Rules
    from equipoise.operations.carry import CarryOver as CarryOver
    from equipoise.operations.carry import carry_over as carry_over
    from equipoise.operations.changes import moves as moves
    from equipoise.operations.claims import Claims as Claims
    from equipoise.operations.claims import confirm as confirm
    from equipoise.operations.design import Traffic as Traffic
    from equipoise.operations.design import traffic as traffic
    from equipoise.operations.drift import EffectDrift as EffectDrift
    from equipoise.operations.drift import MixDrift as MixDrift
    from equipoise.operations.drift import cusum_threshold as cusum_threshold
    from equipoise.operations.drift import effect_drift as effect_drift
    from equipoise.operations.drift import mix_drift as mix_drift
    from equipoise.operations.epochs import Epochs as Epochs
    from equipoise.operations.epochs import two_way as two_way
    from equipoise.operations.pacing import Pacer as Pacer
    from equipoise.operations.pacing import PacingPlan as PacingPlan
    from equipoise.operations.sample_size import ExperimentSize as ExperimentSize
    from equipoise.operations.sample_size import dunnett_quantile as dunnett_quantile
    from equipoise.operations.sample_size import experiment_size as experiment_size
    from equipoise.operations.search import Proposals as Proposals
    from equipoise.operations.search import Search as Search
    from equipoise.operations.search import Trials as Trials
    from equipoise.operations.search import propose as propose
    from equipoise.operations.search import shortlist as shortlist
    from equipoise.operations.sequences import confidence_sequence as confidence_sequence
    from equipoise.operations.sequences import sequence_margin as sequence_margin
    from equipoise.operations.stage_log import stage_results as stage_results
    from equipoise.operations.stages import Gain as Gain
    from equipoise.operations.stages import RolloutRules as RolloutRules
    from equipoise.operations.stages import RolloutState as RolloutState
    from equipoise.operations.stages import StageResults as StageResults
    from equipoise.operations.stages import advance as advance
    from equipoise.operations.stages import roll_back as roll_back
    from equipoise.operations.stages import shrunk as shrunk
    from equipoise.operations.stages import start_rollout as start_rollout

NAMES = {
    "stage_results": "equipoise.operations.stage_log",
    "Gain": "equipoise.operations.stages",
    "RolloutRules": "equipoise.operations.stages",
    "RolloutState": "equipoise.operations.stages",
    "StageResults": "equipoise.operations.stages",
    "advance": "equipoise.operations.stages",
    "roll_back": "equipoise.operations.stages",
    "shrunk": "equipoise.operations.stages",
    "start_rollout": "equipoise.operations.stages",
    "Bounds": "equipoise.operations.bounds",
    "Claims": "equipoise.operations.claims",
    "Proposals": "equipoise.operations.search",
    "Rules": "equipoise.operations.bounds",
    "Search": "equipoise.operations.search",
    "Trials": "equipoise.operations.search",
    "confirm": "equipoise.operations.claims",
    "propose": "equipoise.operations.search",
    "shortlist": "equipoise.operations.search",
    "Cadence": "equipoise.allocation.cadence",
    "moves": "equipoise.operations.changes",
    "Traffic": "equipoise.operations.design",
    "traffic": "equipoise.operations.design",
    "CarryOver": "equipoise.operations.carry",
    "ExperimentSize": "equipoise.operations.sample_size",
    "dunnett_quantile": "equipoise.operations.sample_size",
    "experiment_size": "equipoise.operations.sample_size",
    "EffectDrift": "equipoise.operations.drift",
    "Epochs": "equipoise.operations.epochs",
    "Pacer": "equipoise.operations.pacing",
    "PacingPlan": "equipoise.operations.pacing",
    "MixDrift": "equipoise.operations.drift",
    "carry_over": "equipoise.operations.carry",
    "confidence_sequence": "equipoise.operations.sequences",
    "cusum_threshold": "equipoise.operations.drift",
    "effect_drift": "equipoise.operations.drift",
    "mix_drift": "equipoise.operations.drift",
    "sequence_margin": "equipoise.operations.sequences",
    "two_way": "equipoise.operations.epochs",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = [*NAMES]
