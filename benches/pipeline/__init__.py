"""Times each step of the pipeline on a model of a given shape; see ../README.md."""
