"""What is wrong with a network on a device, or with the link to it, and what is done about it."""
