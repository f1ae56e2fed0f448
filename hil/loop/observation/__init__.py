"""What is read of a device, and what rates of hidden layers are made of it."""
