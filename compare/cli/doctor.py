"""The command that says what can be read of a model."""

import json

import click

from compare.cli.group import AS_JSON, main
from probe.examination import examine
from probe.loading import load


@main.command()
@click.argument("model")
@click.option("--revision", help="Commit, tag or branch of a hub id.")
@AS_JSON
def doctor(model: str, revision: str | None, as_json: bool) -> None:
    """Check what is read of MODEL (name, hub id, folder or GGUF file) against what it computes, layer by layer."""
    found = examine(load(model, revision=revision))
    if as_json:
        layers = [layer._asdict() for layer in found.layers]
        click.echo(json.dumps({**found.facts, "layers": layers, "readable": found.readable}, indent=1))
        return
    width = max(map(len, found.facts))
    for name, value in found.facts.items():
        click.echo(f"{name:>{width}}  {value}")
    click.echo("\nblock  arrangement  equation      rows  attention reads through")
    for layer in found.layers:
        click.echo(
            f"{layer.block:5}  {layer.arrangement:11}  {layer.equation:8.1e}  {layer.rows:8.1e}  {layer.norm}"
        )
    click.echo("\ncan be read:")
    for what, answer in found.readable.items():
        click.echo(f"  {what}: {answer}")
