"""The ruler (perplexity), likelihoods of continuations, generation, interpolation, statistics."""
