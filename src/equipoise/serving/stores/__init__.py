"""Where known units are: facts by id, behind `serving.protocols.EffectStore`.

building   encode, sort, write; open
codec      the facts of a unit as bytes
lmdb_store, array_store    files of a snapshot, on this machine
redis_store                the same bytes for many machines
"""
