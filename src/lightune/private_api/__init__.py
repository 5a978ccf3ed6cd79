"""What lightune uses of other libraries' private names: a module a library, and no private name elsewhere.

Each function says what it is for, what breaks without it, and which test notices when the name goes away.
"""
