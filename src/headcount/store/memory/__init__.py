"""The store that forgets: everything in dictionaries, searches by evaluation. The reference for every other store."""
