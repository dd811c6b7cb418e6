"""``equipoise publish`` and what belongs to it: which snapshot a service decides by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.source import AsJson, Quiet

if TYPE_CHECKING:
    from equipoise.serving.snapshots.channels import Channel
    from equipoise.serving.stores.redis_units import RedisUnits

SHOWN = 12  # digits of an id
HOUR = 3600  # seconds

StateFolder = Annotated[
    Path, typer.Argument(help="The state folder of the service, as RUN-serving.")
]
By = Annotated[
    str | None, typer.Option("--by", help="Who does, for the audit; by default this user.")
]
OnRedis = Annotated[
    bool,
    typer.Option("--redis", help="In the Redis of EQUIPOISE_REDIS_URL, too."),
]
ReplaceCandidates = Annotated[
    bool,
    typer.Option("--replace-candidates", help="Allow other candidates than those that are live."),
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("publish")(publish)
    app.command("promote")(promote)
    app.command("rollback")(rollback)
    app.command("versions")(versions)
    app.command("gc")(gc)


def publish(
    source: Annotated[
        str,
        typer.Argument(help="A run, its policy/ folder, or the id of a snapshot that was built."),
    ],
    state: Annotated[
        Path | None,
        typer.Option("--state", help="The state folder; by default RUN-serving beside the run."),
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(
            "--units",
            help="Units known ahead: a .parquet or .csv of any size, a folder, an address.",
        ),
    ] = None,
    id: Annotated[
        str | None,
        typer.Option("--id", help="The column of their ids, where the plan names none."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="A folder with a net of weights for requests' contexts."),
    ] = None,
    channel: Annotated[
        str, typer.Option("--channel", help="live, or candidate: for a share of the traffic.")
    ] = "live",
    replace_candidates: ReplaceCandidates = False,
    redis: OnRedis = False,
    by: By = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Publish a run: from now on the service decides by its policy.

    A snapshot is built beside those there are: the policy, and the effects of the units that are
    known ahead, so that a request need only name them.  It is read back, every byte by its sum, and
    decides 64 drawn and 64 known units to the bit before anything changes.  Then one file says what
    is live: a service sees the old one or the new one, never half of it, and goes on with the old
    one where the new one is refused.  `equipoise rollback` goes back.

    With --channel candidate the share of the traffic that the service is told (share in [serve])
    is decided by it, everything else by what is live; `equipoise promote` makes it live.

    Other candidates than those that are live are refused, since rewards still to come, and units
    that keep what they have, name them; --replace-candidates says that this is meant.

    Where EQUIPOISE_SIGNING_KEY is set, snapshots are signed with it, and none without it is served.

    \b
    Examples:
      equipoise publish runs/voucher
      equipoise publish runs/voucher --units customers.parquet --id user
      equipoise publish runs/voucher-new --state runs/voucher-serving --channel candidate
      equipoise publish 1dde1d4174db --state runs/voucher-serving
    """
    from equipoise.cli.show import as_json, progress
    from equipoise.core.errors import InputError
    from equipoise.core.snapshot import read_manifest
    from equipoise.serving.extra import serving_extra

    with serving_extra():
        from equipoise.serving.snapshots.build import build_snapshot
        from equipoise.serving.snapshots.channels import Channels
        from equipoise.serving.snapshots.publish import differences
        from equipoise.serving.snapshots.publish import publish as publish_snapshot
        from equipoise.serving.snapshots.state import State

    built = not Path(source).exists() and state is not None
    place, there = state or state_beside(Path(source)), _redis(redis)
    State(place).channel(channel)  # a name that is none fails before the work
    if built and (units or weights):
        fix, what = "name the run, to build another snapshot", "--units" if units else "--weights"
        raise InputError(what, "go with a run", f"the id of a snapshot, {source}", fix=fix)
    with progress(quiet) as told:
        if built:
            snapshot = State(place).one(source)
        else:
            snapshot = build_snapshot(place, source, units, id=id, weights=weights, progress=told)
        before = Channels(place).live()
        now = publish_snapshot(
            place,
            snapshot,
            channel=channel,
            by=_user(by),
            replace_candidates=replace_candidates,
            redis=there,
            progress=told,
        )
    meta = read_manifest(State(place).snapshot(snapshot)).meta
    other = State(place).snapshot(before.snapshot) if before is not None else None
    differs = []
    if other is not None and other.exists():
        differs = [str(each) for each in differences(read_manifest(other).meta, meta)]
    if json:
        as_json({**_plain(now, place), "units": meta["units"], "differs": differs})
        return
    known = f"{meta['units']:,} known units" if meta["units"] else "no known units"
    typer.echo(f"{snapshot[:SHOWN]} is {channel}, number {now.sequence}: {known}, {place}")
    for difference in differs:
        typer.echo(f"Other than what was live: {difference}")
    if now.previous and channel == "live":
        typer.echo(f"Back to {now.previous[:SHOWN]}: equipoise rollback {place}")


def promote(
    state: StateFolder,
    replace_candidates: ReplaceCandidates = False,
    redis: OnRedis = False,
    by: By = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make the candidate live.

    From now on all units are decided by it; the channel of the candidate is free again.

    \b
    Example:
      equipoise promote runs/voucher-serving
    """
    from equipoise.cli.show import progress
    from equipoise.serving.extra import serving_extra

    with serving_extra():
        from equipoise.serving.snapshots.publish import promote as promote_snapshot

    with progress(quiet) as told:
        now = promote_snapshot(
            state,
            by=_user(by),
            replace_candidates=replace_candidates,
            redis=_redis(redis),
            progress=told,
        )
    _say(now, state, json)


def rollback(
    state: StateFolder,
    to: Annotated[
        str | None, typer.Option("--to", help="The snapshot; by default the one before.")
    ] = None,
    redis: OnRedis = False,
    by: By = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make live again what was live before.

    Called again, it goes back further, to what was live before that; --to names any snapshot that
    is there (see `equipoise versions`).  It is verified as every publish is, and has a number of
    its own: what was decided meanwhile stays in the log, with what decided it.

    \b
    Examples:
      equipoise rollback runs/voucher-serving
      equipoise rollback runs/voucher-serving --to 1dde1d4174db
    """
    from equipoise.cli.show import progress
    from equipoise.serving.extra import serving_extra

    with serving_extra():
        from equipoise.serving.snapshots.publish import rollback as roll_back
        from equipoise.serving.snapshots.state import State

    with progress(quiet) as told:
        target = None if to is None else State(state).one(to)
        now = roll_back(state, to=target, by=_user(by), redis=_redis(redis), progress=told)
    _say(now, state, json)


def versions(
    state: StateFolder,
    changes: Annotated[
        bool, typer.Option("--changes", help="List who changed what, not the snapshots.")
    ] = False,
    json: AsJson = False,
) -> None:
    """List the snapshots of a service, or who changed what is live.

    \b
    Examples:
      equipoise versions runs/voucher-serving
      equipoise versions runs/voucher-serving --changes
    """
    from equipoise.cli.show import as_json, table
    from equipoise.core.errors import InputError
    from equipoise.serving.extra import serving_extra

    with serving_extra():
        from equipoise.serving.snapshots.versions import history
        from equipoise.serving.snapshots.versions import versions as list_versions

    every, audit = list_versions(state), history(state)
    if not every and not audit:
        fix = "publish a run: equipoise publish RUN"
        raise InputError("a state folder", "have snapshots", "none", str(state), fix)
    if json:
        as_json({"snapshots": every, "changes": audit})
    elif changes:
        names = ("channel", "sequence", "snapshot", "action", "by")
        rows = [{"when": _when(row["at"]), **{name: row[name] for name in names}} for row in audit]
        table([row | {"snapshot": row["snapshot"][:SHOWN]} for row in rows], ["when", *names])
    else:
        rows = [
            {
                "snapshot": row["snapshot"][:SHOWN],
                "on": ", ".join(row["on"]) or ("damaged" if "damaged" in row else ""),
                "built": _when(row["built"]),
                "known units": row.get("units"),
                "policy": row.get("policy", "")[:SHOWN],
                "published": len(row["published"]),
            }
            for row in every
        ]
        table(rows, list(rows[0]))


def gc(
    state: StateFolder,
    keep: Annotated[list[str], typer.Option("--keep", help="A snapshot to keep; repeat.")] = [],  # noqa: B006
    older_than: Annotated[
        float, typer.Option("--older-than", help="Remove none that is younger, in hours.")
    ] = 1.0,
    redis: OnRedis = False,
    json: AsJson = False,
) -> None:
    """Remove the snapshots that nothing names any more.

    Kept are what is live, what a rollback goes to, the candidate, and every snapshot that made a
    decision in the log, without which that decision could not be replayed; segments of the log go
    by their own rule (keep in [serve.log]).  With --redis, units there of snapshots that are not in
    this folder any more expire within an hour.

    \b
    Example:
      equipoise gc runs/voucher-serving --older-than 24
    """
    from equipoise.cli.show import as_json
    from equipoise.serving.extra import serving_extra

    with serving_extra():
        from equipoise.serving.snapshots.removal import remove_unnamed
        from equipoise.serving.snapshots.state import State

    ids = [State(state).one(id) for id in keep]
    there = _redis(redis)
    gone = remove_unnamed(state, keep=ids, older_than=older_than * HOUR, redis=there)
    if json:
        as_json({"removed": gone})
        return
    typer.echo(f"{len(gone)} snapshots removed; {len(State(state).ids())} are kept")


def state_beside(run: Path) -> Path:
    """The usual state folder of a run.

    >>> state_beside(Path("runs/voucher")).as_posix()
    'runs/voucher-serving'
    """
    folder = run.resolve()
    folder = folder.parent if folder.name == "policy" else folder
    return (run.parent if run.name == "policy" else run).parent / f"{folder.name}-serving"


def policy_of(state: Path) -> str:
    """What a service calls its policy where the settings do not say.

    >>> policy_of(Path("runs/voucher-serving"))
    'voucher'
    """
    return state.name.removesuffix("-serving") or "policy"


def _user(by: str | None) -> str:
    """Who publishes; nobody where the system does not say."""
    import getpass

    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # of a container without users
        return ""


def _redis(wanted: bool) -> RedisUnits | None:
    """The Redis to write to."""
    import os

    from equipoise.core.errors import InputError
    from equipoise.serving.stores.redis_units import RedisUnits

    if not wanted:
        return None
    url = os.environ.get("EQUIPOISE_REDIS_URL", "")
    if not url:
        fix = "set it to redis://host:6379/0"
        raise InputError("EQUIPOISE_REDIS_URL", "name the Redis of --redis", "nothing", fix=fix)
    return RedisUnits(url)


def _plain(now: Channel, state: Path) -> dict[str, Any]:
    """A channel for machines."""
    return {"state": str(state), **now.to_json()}


def _say(now: Channel, state: Path, json: bool) -> None:
    """Tell what is live now."""
    from equipoise.cli.show import as_json

    if json:
        as_json(_plain(now, state))
        return
    typer.echo(f"{now.snapshot[:SHOWN]} is live, number {now.sequence}, {state}")


def _when(seconds: float) -> str:
    """A time for people."""
    from datetime import datetime

    return datetime.fromtimestamp(seconds).isoformat(" ", "seconds")
