"""names.py MAP PROGRAM SEEN...: the functions that were run, a line each, those of the first SEEN first.

MAP is what lld writes (-Map), PROGRAM the name of the file that was run, each SEEN a file of callgrind's with instructions.
"""

import bisect
import re
import sys

# VMA, LMA, size, alignment; then a name, set in by how deep it is: output section, input section, symbol. The last is told
# as people read it; as the linker has it, it is in the name of its section.
ROW = re.compile(r"\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+ (\s*)(.*)$")
MANGLED = re.compile(r".*\(\.text\.(?:unlikely\.)?(_ZN.*E|_R.*)\)$")
# What is run and not seen: valgrind's processor has fewer instructions than most, and when a task ends another way
# depends on the moment.
UNSEEN = re.compile(r"avx512|_adx$|sha_?ni|tokio7runtime4task3raw")
OBJECT = re.compile(r"(c?ob)=\((\d+)\)(?: (.*))?")


def functions(path):
    """Start, length and name of each function, by their starts."""
    found, section, mangled = [], None, None
    with open(path) as lines:
        for row in filter(None, map(ROW.match, lines)):
            start, length, depth, name = row.groups()
            if not depth:
                section = name
            elif section == ".text" and len(depth) == 8:
                match = MANGLED.match(name)
                mangled = match and match[1]
            elif section == ".text":
                found.append((int(start, 16), int(length, 16), mangled or name.strip()))
    return sorted(found)


def addresses(path, program):
    """Where instructions of the program were run, as they are in its file."""
    names, current, at, found = {}, None, 0, set()
    with open(path) as lines:
        for line in lines:
            if match := OBJECT.match(line):
                kind, number, name = match.groups()
                names.setdefault(number, name)
                if kind == "ob":
                    current = names[number]
            elif line[:1] in "+-*0" and line.strip():
                # Told whole, or by how far it is from the one before.
                place = line.split()[0]
                if place[0] in "+-":
                    at += int(place, 0)
                elif place != "*":
                    at = int(place, 0)
                if current and current.rpartition("/")[2] == program:
                    found.add(at)
    return found


def main(map_path, program, *seen):
    all_functions = functions(map_path)
    starts = [start for start, _, _ in all_functions]
    unseen = {index for index, (_, _, name) in enumerate(all_functions) if UNSEEN.search(name)}
    told = set()
    for path in seen:
        run = set()
        for at in addresses(path, program):
            start, length, _ = all_functions[index := bisect.bisect_right(starts, at) - 1]
            if start <= at < start + length:
                run.add(index)
        for index in sorted((run | unseen) - told):
            print(all_functions[index][2])
        told |= run | unseen


main(*sys.argv[1:])
