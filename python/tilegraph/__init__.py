"""The Python front of libtilegraph: reads an example's files, calls the C library, compares with the golden."""
