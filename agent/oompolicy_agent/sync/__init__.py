"""The unprivileged half of the node agent: turns pods into targets, publishes what the guard did."""
