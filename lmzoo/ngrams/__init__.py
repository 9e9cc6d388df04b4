"""What count models share: n-gram counts, tries, pruning, exchange clustering."""
