"""Setting up and running the nodes of a federation: directories, key files, ceremony, registry, node processes."""
