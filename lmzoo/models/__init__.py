"""The animals: one file, one idea, one paper. A model is found by its file name."""
