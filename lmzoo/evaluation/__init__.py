"""Perplexity, likelihoods of continuations, generation, interpolation, statistics."""
