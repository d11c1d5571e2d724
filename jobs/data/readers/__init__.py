"""One reader for each kind of file a dataset comes in.

Each module has ``read(source, allocate) -> Contents``: it asks `allocate` once for the array of all
images and fills it.
"""
