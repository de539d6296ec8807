"""What every other room stands on: checks, files, randomness, noise and the recipe."""
