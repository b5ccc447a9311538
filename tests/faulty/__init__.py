"""A corpus of faulty and odd videos, made from real ones, and its trial."""
