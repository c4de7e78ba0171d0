"""The services' side of each wire: one protocol a file reads its requests and writes its replies."""
