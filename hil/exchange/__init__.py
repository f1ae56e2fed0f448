"""Models from and to elsewhere: NIR, the Neuromorphic Intermediate Representation."""
