"""The algorithms of the FALSE group, one file each."""
