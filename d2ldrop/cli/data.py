"""``d2ldrop data``."""

from __future__ import annotations

import sys

import click

from d2ldrop.data.download import download as download_fashion_mnist
from d2ldrop.data.fashion_mnist import (
    FILES,
    DataNotFoundError,
    find_fashion_mnist,
    read_fashion_mnist,
)
from d2ldrop.data.places import cache_dir


@click.command()
@click.option(
    "--data-dir", type=click.Path(), help="Look in this folder and its usual sub-folders only."
)
@click.option(
    "--download", is_flag=True, help="Download the missing files into the user's cache (30 MB)."
)
def data(data_dir: str | None, download: bool) -> None:
    """Find and verify Fashion-MNIST; --download downloads it."""
    if download and data_dir:
        raise ValueError(f"--download writes to {cache_dir()}: leave out --data-dir")
    if download:
        copies = read_fashion_mnist(download_fashion_mnist())
    else:
        try:
            copies = find_fashion_mnist(data_dir)
        except DataNotFoundError as error:
            click.echo(f"{error}.")
            click.echo("'d2ldrop data --download' downloads it; '--dataset auto' tries to as well.")
            sys.exit(1)
    for file, copy in zip(FILES, copies, strict=True):
        click.echo(f"{file.name}: {len(copy.array):,} verified")
    folders = dict.fromkeys(str(copy.path.parent) for copy in copies)
    click.echo(f"Fashion-MNIST is in {', '.join(folders)}")
