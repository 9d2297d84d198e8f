"""The node agent: chooses who dies when memory runs out, and sees to it."""
