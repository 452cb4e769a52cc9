"""Videos of your own: a folder per class, or a list."""
