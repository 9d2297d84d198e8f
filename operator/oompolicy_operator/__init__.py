"""The operator: turns OOMPolicy objects into node agents and rolls up what they report."""
