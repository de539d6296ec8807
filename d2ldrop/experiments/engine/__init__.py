"""Plans, runs and compares an experiment, and writes its results.

- ``definition``: the types that an experiment consists of; ``results``: what its runs measured.
- ``plan``: which runs an experiment needs; ``jobs``: one run, in a worker process.
- ``runner``: runs what is missing; ``executor``: threads of this machine, or a dask cluster.
- ``measures``, ``statistics``, ``sentences``, ``figures``: helpers of the catalogue.
- ``results_table``, ``results_files``: the table on the terminal, and the files in the folder.
"""
