"""The privileged half of the node agent: watches, decides, kills, records. Standard library only."""
