"""How a trial ended, as its job, its folder and its earlier attempts say."""
