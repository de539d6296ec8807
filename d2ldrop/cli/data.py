"""``d2ldrop data``."""

from __future__ import annotations

import sys

import click

from d2ldrop.data.download import download as download_fashion_mnist
from d2ldrop.data.fashion_mnist import (
    DEBIAN,
    FILES,
    cache_dir,
    find_fashion_mnist,
    read_fashion_mnist,
)


@click.command()
@click.option("--data-dir", type=click.Path(), help="Look in this folder only.")
@click.option(
    "--download", is_flag=True, help="Download the missing files into the user's cache (30 MB)."
)
def data(data_dir: str | None, download: bool) -> None:
    """Find and verify Fashion-MNIST; --download downloads it."""
    if download and data_dir:
        raise ValueError(f"--download writes to {cache_dir()}: leave out --data-dir")
    folder = download_fashion_mnist() if download else find_fashion_mnist(data_dir)
    if folder is None:
        places = f"{cache_dir()}, {DEBIAN}"
        click.echo(f"Fashion-MNIST is not on this machine (looked in {places}).")
        click.echo("'d2ldrop data --download' downloads it; '--dataset auto' tries to as well.")
        sys.exit(1)
    for file, array in zip(FILES, read_fashion_mnist(folder), strict=True):
        click.echo(f"{file.name}: {len(array):,} verified")
    click.echo(f"Fashion-MNIST is in {folder}")
