"""The command line: ``wakeline``, a module for each kind of thing it works on."""
