"""Text: corpora and their cards, downloads, the grammar of the built-in corpus, tokenizers."""
