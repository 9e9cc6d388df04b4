"""The live page of `lmzoo serve`: one sentence, read by every model at once."""
