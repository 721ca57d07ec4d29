"""Where the outside begins: tables, log, anchor files, bus."""
