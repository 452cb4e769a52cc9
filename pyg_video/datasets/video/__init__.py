"""Video files and folders of frames: decoding, sampling, and an index of checked files."""
