"""A language model as a compressor: arithmetic coding, the file format, certified bits, other compressors."""
