"""The tasks that can be trained."""

TASKS = ("bundle", "related", "popular", "trending", "first", "next", "repeat", "for_you", "rating")

# Answered by stored neighbours of items.
NEIGHBOUR_TASKS = ("bundle", "related")

# Answered at the call by lists for a customer, from what they have bought by then.
CUSTOMER_TASKS = ("next", "for_you")

# Answered at the call by a model in memory.
LIVE_TASKS = (*CUSTOMER_TASKS, "first", "repeat", "rating")

# Attributes of customers and items are learned from.
FEATURE_TASKS = ("first", "for_you", "next", "rating")

# Any pair of a customer and an item has a score.
SCORED_TASKS = ("first", "next", "for_you", "rating")
