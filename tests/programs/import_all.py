"""Imports every module of the installed package; prints where the package is, the modules, and those that lack a package."""

import importlib
import json
import pkgutil

import mipdesign

imported, lacking = [], {}
for module in pkgutil.walk_packages(mipdesign.__path__, "mipdesign."):
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        lacking[module.name] = (error.name or str(error.__cause__ and error.__cause__.name)).partition(".")[0]
    imported.append(module.name)
print(json.dumps([mipdesign.__file__, imported, lacking]))
