"""``wakeline demo``: the whole loop on this machine, with simulated people."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wakeline_auth import Role
from wakeline_demo import fields, folders, pictures, report
from wakeline_demo.campaign import Campaign, CampaignError
from wakeline_demo.crew import WorkerDiedError
from wakeline_demo.folders import Folder, FolderError
from wakeline_demo.plan import STAGE, Plan, plan_for
from wakeline_embedded.access import mint
from wakeline_embedded.commands import up
from wakeline_embedded.documents import read as read_document
from wakeline_embedded.layout import Layout, default_folder
from wakeline_sdk import AsyncClient, NotFoundError

SCENES = 64
"""Synthetic scenes of the demo without a folder."""
out = Console(width=max(100, Console().width))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(demo)


def demo(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with images/, annotations.json (COCO), optionally nir/."),
    ] = None,
    report_folder: Annotated[
        Path, typer.Option("--report", help="Where report.html and report.json go.")
    ] = Path("reports"),
    iterations: Annotated[int, typer.Option(min=1, max=10)] = 3,
    seed: Annotated[int, typer.Option(help="Of the scenes, the people and the trainer.")] = 7,
    max_seconds: Annotated[
        int, typer.Option(help="Longest time one training may take, in seconds.")
    ] = 75,
    home: Annotated[
        Path | None, typer.Option(help="Data folder of the stack; .wakeline if not given.")
    ] = None,
) -> None:
    """Watch the loop turn: pre-label, correct, review, train, publish, and again."""
    started = time.monotonic()
    layout = Layout.prepared(home or default_folder())
    up(data=layout.root)
    try:
        folder = folders.read(data) if data else _synthetic(layout.root / "demo", seed)
        result = asyncio.run(
            _turn(layout, folder, iterations, seed, max_seconds, report_folder, started)
        )
    except (CampaignError, FolderError, ValueError, WorkerDiedError) as error:
        out.print(f"[red]The demo stops:[/red] {error}")
        raise typer.Exit(1) from error
    out.print(report.table(result))
    out.print(
        f"Report: {report_folder / 'report.html'}. The stack is still up. Try next:\n"
        "  wakeline status                  the processes\n"
        "  wakeline models list PROJECT     what the gate said, and why\n"
        "  wakeline demo --data FOLDER      the same on your own images\n"
        "  wakeline down                    end it; the data stays"
    )


async def _turn(
    layout: Layout,
    folder: Folder,
    iterations: int,
    seed: int,
    max_seconds: int,
    report_folder: Path,
    started: float,
) -> dict[str, object]:
    access = read_document(layout.client)
    assert access is not None

    def token(person: str, role: str, team: str) -> str:
        return mint(layout, person, [Role(role)], team, timedelta(hours=12))

    def say(line: str) -> None:
        out.print(f"[dim]{time.monotonic() - started:6.1f} s[/dim]  {line}")

    async with AsyncClient(access["url"], access["token"]) as client:
        project = await _free_name(client, f"demo-{folder.name}"[:40])
        plan: Plan = plan_for(
            folder, project, iterations=iterations, seed=seed, max_seconds=max_seconds
        )
        say(f"project {project}: {len(folder.images)} images of {', '.join(folder.classes)}")
        campaign = Campaign(client, access["url"], folder, plan, token, say)
        turned = await campaign.run()
        result = report.document(folder, plan, turned, time.monotonic() - started)
        tasks = client.projects.tasks(plan.project, STAGE)
        holdout = [task["asset_id"] async for task in tasks if task["holdout"]]
        drawn = await pictures.of_predictions(client, folder, holdout)
    report.write(report_folder, result, drawn)
    return result


async def _free_name(client: AsyncClient, wanted: str) -> str:
    """The first project name that is not taken: every run of the demo starts afresh."""
    for number in range(1, 1_000):
        name = wanted if number == 1 else f"{wanted}-{number}"
        try:
            await client.projects.get(name)
        except NotFoundError:
            return name
    raise CampaignError(f"there are 999 projects named {wanted}: start a fresh stack with --home")


def _synthetic(below: Path, seed: int) -> Folder:
    folder = below / f"fields-{seed}"
    if not (folder / "annotations.json").exists():
        out.print(f"making {SCENES} synthetic field scenes in {folder}")
        fields.write(folder, SCENES, seed)
    return folders.read(folder)
