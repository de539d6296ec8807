"""The foundation of all other packages: checks, files, randomness, noise and the recipe."""
