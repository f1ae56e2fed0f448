"""The folder of a run: what it holds, who may write to it, and what a run starts from."""
