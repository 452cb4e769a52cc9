"""Weights of released code, in our modules."""
