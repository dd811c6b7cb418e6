"""``equipoise serve``: the policy of a run as a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.publish import policy_of, state_beside
from equipoise.cli.source import Quiet

if TYPE_CHECKING:
    from equipoise.serving.app.settings import Settings

NEEDED = ("fastapi", "uvicorn", "msgspec", "prometheus_client", "lmdb")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("serve")(serve)


def serve(
    run: Annotated[
        Path | None, typer.Argument(help="A run, or its policy/ folder; without it --state.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="The service's folder; by default RUN-serving beside it."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="A TOML file with a table [serve].")
    ] = None,
    units: Annotated[
        Path | None,
        typer.Option("--units", help="Known units, .parquet or .csv: their effects are stored."),
    ] = None,
    id: Annotated[str, typer.Option("--id", help="The column of their ids.")] = "",
    host: Annotated[str | None, typer.Option("--host", help="Where to listen.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="By default 8080; 0 takes a free one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes; one for each core.")
    ] = None,
    new_token: Annotated[
        str,
        typer.Option(
            "--new-token",
            help="Print a new token with these scopes, and stop: decide,reward,read,operate,erase.",
        ),
    ] = "",
    empty: Annotated[bool, typer.Option("--empty", hidden=True)] = False,
    quiet: Quiet = False,
) -> None:
    """Serve the policy of a run: who gets what, by HTTP, each decision logged.

    The run is published into the service's folder, unless it is live there already; from then on
    the folder is all the service needs, and `equipoise serve --state FOLDER` serves what is live.
    In it are the snapshots, the decision log, the budget's book, and counters.

    Without tokens only this machine is listened to. A token is made by --new-token; the service
    keeps its hash, in EQUIPOISE_TOKENS or in a file that EQUIPOISE_TOKENS_FILE names.

    Ctrl-C or SIGTERM stops it once the requests in hand are answered; SIGHUP makes it read its
    settings again.

    \b
    Examples:
      equipoise serve runs/voucher
      equipoise serve runs/voucher --units users.parquet --id user --workers 2
      equipoise serve --state runs/voucher-serving --config serve.toml --port 9000
      equipoise serve --new-token decide,reward
    """
    must_have_extra()
    if new_token:
        show_token(new_token)
        return
    from equipoise.cli.show import progress
    from equipoise.core.errors import InputError
    from equipoise.serving.app.publishing import make_live, must_be_writable, must_have_policy
    from equipoise.serving.app.settings import Launch

    if run is None and state is None:
        fix = "give a run, as in: equipoise serve runs/voucher"
        raise InputError("a service", "have a run or a --state", "neither", fix=fix)
    given: dict[str, Any] = {"host": host, "port": port, "workers": workers}
    given = {name: value for name, value in given.items() if value is not None}
    place = state or state_beside(run or Path())
    launch = Launch(str(place), "" if config is None else str(config), given, empty)
    if "policy" not in launch.settings().config.model_fields_set:
        given["policy"] = policy_of(place)
    must_have_policy(place, run)
    must_be_writable(place)
    if run is not None:
        with progress(quiet) as told:
            make_live(place, run, units, id, told)
    from equipoise.serving.app.run import serve as serve_until_stopped

    serve_until_stopped(launch, lambda address, settings: show(address, settings, place))


def must_have_extra() -> None:
    """Refuse without the extra; without httptools, say what that costs."""
    from importlib.util import find_spec

    from equipoise.core.errors import MissingExtra

    fix = 'pip install "equipoise[serve]"'
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtra("the extra 'serve'", "be installed", f"no {missing[0]}", fix=fix)
    if find_spec("httptools") is None:
        typer.echo(
            f"Caution: without httptools a request costs three times as much; {fix}", err=True
        )


def show_token(scopes: str) -> None:
    """Print what the service keeps, and what the client sends."""
    from equipoise.serving.app.tokens import VARIABLE, new_token

    entry, secret = new_token(scopes.split(","))
    typer.echo(f"the service keeps   {VARIABLE}='{entry}'")
    typer.echo(f"the client sends    Authorization: Bearer {secret}")
    typer.echo("The second line is shown only now.  Several entries have ; between them.")


def show(address: str, settings: Settings, state: Path) -> None:
    """Say where it is, and how it is asked."""
    from equipoise.serving.app.publishing import example_request

    snapshot, units, request = example_request(state)
    known = f"{units:,} units known" if units else "no units known ahead: send their features"
    token = ' \\\n    -H "Authorization: Bearer $TOKEN"' if len(settings.tokens) else ""
    typer.echo(f"{settings.config.policy!r} is served at {address} (snapshot {snapshot}, {known})")
    kind = "-H 'Content-Type: application/json'"
    typer.echo(f"  curl -s {address}/decide {kind}{token} \\\n    -d '{request}'")
    typer.echo(f"  console  {address}/console")
    typer.echo(f"  docs     {address}/docs")
    typer.echo(f"  metrics  {address}/metrics")
    typer.echo(f"  state    {state} (snapshots, decision log, counters)")
    typer.echo("  stop     Ctrl-C")
