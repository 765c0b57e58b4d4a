#!/usr/bin/env python3
"""A tool that adds two numbers.  assay run STUDY -m plugin:./@NAME@.py,SUBJECT"""
from assay_plugin import Tool

tool = Tool("@NAME@", about="Adds two numbers.", parameters={
    "type": "object", "required": ["a", "b"], "properties": {"a": {"type": "number"}, "b": {"type": "number"}}})

@tool.call
def call(a, b):
    return a + b

tool.main()
