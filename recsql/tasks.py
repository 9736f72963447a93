"""The tasks that can be trained."""

TASKS = ("bundle", "related", "popular", "trending", "next", "for_you")

# Answered by stored neighbours of items.
NEIGHBOUR_TASKS = ("bundle", "related")

# Answered at the call by a model in memory, from what the customer has bought by then.
CUSTOMER_TASKS = ("next", "for_you")
