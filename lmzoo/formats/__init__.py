"""Other programs' files: ARPA, word vectors, Hugging Face's GPT-2."""
