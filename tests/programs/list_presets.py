"""Prints the listing of the presets, made anew: what ``mipdesign/problem/presets/listing.json`` is to be."""

import json

from mipdesign.problem.listing import listing_entry, preset_names, preset_text
from mipdesign.problem.problem import Problem
from mipdesign.problem.summaries import summary_of

listing = {name: listing_entry(preset_text(name), summary_of(Problem.preset(name))) for name in preset_names()}
print(json.dumps(listing, indent=1))
