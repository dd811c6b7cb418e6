"""Logs in: files and frames, public experiments, and simulators whose truth is known."""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy
from equipoise.core.registry import Registry

if TYPE_CHECKING:
    from equipoise.data.files import read_batches as read_batches
    from equipoise.data.files import read_table as read_table
    from equipoise.data.public.charitable import fetch_charitable_match as fetch_charitable_match
    from equipoise.data.public.criteo import fetch_criteo as fetch_criteo
    from equipoise.data.public.hillstrom import fetch_hillstrom as fetch_hillstrom
    from equipoise.data.public.kuairand import KuaiRand as KuaiRand
    from equipoise.data.public.kuairand import fetch_kuairand as fetch_kuairand
    from equipoise.data.public.lazada import fetch_lazada as fetch_lazada
    from equipoise.data.public.thornton import load_thornton as load_thornton
    from equipoise.data.public.x5 import fetch_x5 as fetch_x5
    from equipoise.data.ratings.kuairec import fetch_kuairec as fetch_kuairec
    from equipoise.data.ratings.movielens import fetch_movielens_1m as fetch_movielens_1m
    from equipoise.data.ratings.yelp import fetch_yelp as fetch_yelp
    from equipoise.data.read import read_log as read_log
    from equipoise.data.simulators.coupon import make_coupon_world as make_coupon_world
    from equipoise.data.simulators.criteo_like import (
        make_criteo_like_world as make_criteo_like_world,
    )
    from equipoise.data.simulators.dose_response import make_dose_world as make_dose_world
    from equipoise.data.simulators.exposure import make_exposure_world as make_exposure_world
    from equipoise.data.simulators.ihdp_dose import make_ihdp_dose as make_ihdp_dose
    from equipoise.data.simulators.incentive import make_incentive_world as make_incentive_world
    from equipoise.data.simulators.live_shop import LiveShopWorld as LiveShopWorld
    from equipoise.data.simulators.live_shop import ShopRequests as ShopRequests
    from equipoise.data.simulators.live_shop import make_live_shop_world as make_live_shop_world
    from equipoise.data.simulators.placebo import make_placebo_world as make_placebo_world
    from equipoise.data.simulators.red_packet import (
        make_red_packet_world as make_red_packet_world,
    )
    from equipoise.data.simulators.short_video import (
        make_short_video_world as make_short_video_world,
    )
    from equipoise.data.simulators.voucher import make_voucher_world as make_voucher_world

DATASETS = Registry(
    "dataset",
    {
        "thornton": "equipoise.data.public.thornton:load_thornton",
        "hillstrom": "equipoise.data.public.hillstrom:fetch_hillstrom",
        "charitable-match": "equipoise.data.public.charitable:fetch_charitable_match",
        "criteo": "equipoise.data.public.criteo:fetch_criteo",
        "criteo-10": "equipoise.data.public.criteo:fetch_criteo_10",
        "lazada": "equipoise.data.public.lazada:fetch_lazada",
        "x5": "equipoise.data.public.x5:fetch_x5",
    },
)
CARDS = Registry(  # what is published of each dataset
    "dataset",
    {
        "thornton": "equipoise.data.public.thornton:CARD",
        "hillstrom": "equipoise.data.public.hillstrom:CARD",
        "charitable-match": "equipoise.data.public.charitable:CARD",
        "criteo": "equipoise.data.public.criteo:CARD",
        "criteo-10": "equipoise.data.public.criteo:CARD_10",
        "lazada": "equipoise.data.public.lazada:CARD",
        "x5": "equipoise.data.public.x5:CARD",
    },
)
SIMULATORS = Registry(
    "simulator",
    {
        "coupon": "equipoise.data.simulators.coupon:make_coupon_world",
        "voucher": "equipoise.data.simulators.voucher:make_voucher_world",
        "incentive": "equipoise.data.simulators.incentive:make_incentive_world",
        "placebo": "equipoise.data.simulators.placebo:make_placebo_world",
        "criteo-like": "equipoise.data.simulators.criteo_like:make_criteo_like_world",
        "short-video": "equipoise.data.simulators.short_video:make_short_video_world",
        "packets": "equipoise.data.simulators.red_packet:make_red_packet_world",
    },
)

READERS = {
    "read_log": "equipoise.data.read",
    "read_table": "equipoise.data.files",
    "read_batches": "equipoise.data.files",
}
LOADERS = {
    "load_thornton": "equipoise.data.public.thornton",
    "fetch_hillstrom": "equipoise.data.public.hillstrom",
    "fetch_charitable_match": "equipoise.data.public.charitable",
    "fetch_criteo": "equipoise.data.public.criteo",
    "fetch_lazada": "equipoise.data.public.lazada",
    "fetch_x5": "equipoise.data.public.x5",
}
RATINGS = {  # pairs of user and item, for the strata benchmark
    "fetch_movielens_1m": "equipoise.data.ratings.movielens",
    "fetch_kuairec": "equipoise.data.ratings.kuairec",
    "fetch_yelp": "equipoise.data.ratings.yelp",
}
EXPOSURES = {  # of a recommender, for rankings of several objectives
    "fetch_kuairand": "equipoise.data.public.kuairand",
    "KuaiRand": "equipoise.data.public.kuairand",
}
WORLDS = {
    "make_coupon_world": "equipoise.data.simulators.coupon",
    "make_criteo_like_world": "equipoise.data.simulators.criteo_like",
    "make_dose_world": "equipoise.data.simulators.dose_response",
    "make_ihdp_dose": "equipoise.data.simulators.ihdp_dose",
    "make_exposure_world": "equipoise.data.simulators.exposure",
    "make_short_video_world": "equipoise.data.simulators.short_video",
    "make_voucher_world": "equipoise.data.simulators.voucher",
    "make_incentive_world": "equipoise.data.simulators.incentive",
    "make_placebo_world": "equipoise.data.simulators.placebo",
    "make_live_shop_world": "equipoise.data.simulators.live_shop",
    "make_red_packet_world": "equipoise.data.simulators.red_packet",
    "LiveShopWorld": "equipoise.data.simulators.live_shop",
    "ShopRequests": "equipoise.data.simulators.live_shop",
}
__getattr__, __dir__ = lazy(__name__, READERS | LOADERS | RATINGS | EXPOSURES | WORLDS)
__all__ = ["CARDS", "DATASETS", "SIMULATORS"]
__all__ += ["read_log", "read_table", "read_batches"]
__all__ += [*WORLDS, *EXPOSURES]
__all__ += [
    "load_thornton",
    "fetch_hillstrom",
    "fetch_charitable_match",
    "fetch_criteo",
    "fetch_lazada",
    "fetch_x5",
]
__all__ += ["fetch_movielens_1m", "fetch_kuairec", "fetch_yelp"]
