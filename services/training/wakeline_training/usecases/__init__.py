"""What training does: collect, ask for runs, freeze, train, gate, serve."""
