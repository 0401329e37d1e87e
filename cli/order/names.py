"""names.py MAP PROGRAM FIRST... -- SEEN...: the code that was run, as patterns for a linker's script: of sections, or (*.o)
of files whose code is one section. A line each: what any FIRST has run, what may be run beside it, what each SEEN has.

MAP is what lld writes (-Map), PROGRAM the name of the file that was run, FIRST and SEEN are files of callgrind's with
instructions. What the compiler makes of where and with what the program is built, a hash at the end of a name, is left
open where all that is called so otherwise may be there as well: the list is for builds elsewhere, too.
"""

import bisect
import re
import sys

# VMA, LMA, size, alignment; then a name, set in by how deep it is: output section, input section, symbol.
ROW = re.compile(r"\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+ (\s*)(.*)$")
# A file, or an archive and a file of it whose name begins with a number; and what section of it.
INPUT = re.compile(r".*?([^/]+\.o)\)?:\((\.text.*)\)$")
PREFIX = re.compile(r"^.*\([0-9a-f]+-")
# Where the compiler has several of a name they have numbers, which are others when something has changed.
NUMBER = re.compile(r"\.\d+$")
HASH = re.compile(r"17h[0-9a-f]{16}E")
# Bytes of what is not run that may come with it.
MORE = 256
# What is run and not seen. Valgrind's processor has fewer instructions than most, among them those by which a key for a
# handshake is made and bytes are summed up;
UNKNOWN = re.compile(r"avx2|avx512|adx_|_adx|sha_?ni|x86_sha|fe4_|fiat_|x25519|constant_time")
# and which way a task ends depends on the moment.
BY_CHANCE = re.compile(r"tokio7runtime4task(3raw(?!4poll)|4join)|thread_info10ThreadInfo|crossbeam_epoch|sync4mpmc")
OBJECT = re.compile(r"(c?ob)=\((\d+)\)(?: (.*))?")


def pattern(name):
    """Of an input section."""
    match = INPUT.match(name)
    if not match:
        return None
    file, section = match.groups()
    if section == ".text":
        return "*" + PREFIX.sub("", file)
    return NUMBER.sub(".*", section)


def sections(path):
    """Start, length and pattern of each section of code, by their starts."""
    found, output = [], None
    with open(path) as lines:
        for start, length, depth, name in (m.groups() for m in map(ROW.match, lines) if m):
            if not depth:
                output = name
            elif output.startswith(".text") and len(depth) == 8 and (what := pattern(name)):
                found.append((int(start, 16), int(length, 16), what))
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
    code = sections(map_path)
    starts = [start for start, _, _ in code]
    matching = lambda what: {name for _, _, name in code if what.search(name)}
    groups = [set(), matching(UNKNOWN), matching(BY_CHANCE)]
    for path in seen[: seen.index("--")]:
        groups[0] |= ran(path, program, code, starts)
    groups += [ran(path, program, code, starts) for path in seen[seen.index("--") + 1 :]]
    if not groups[0]:
        sys.exit(f"nothing of {program} is in what was seen")
    told = set()
    open_to = open_names(code, set().union(*groups))
    for group in groups:
        group = {open_to.get(what, what) for what in group}
        for what in sorted(group - told):
            print(what)
        told |= group


def open_names(code, wanted):
    """Names to what they are with their hashes left open, where little comes with that."""
    kin = {}
    for _, length, what in code:
        lengths = kin.setdefault(HASH.sub("17h*E", what), {})
        lengths[what] = lengths.get(what, 0) + length
    found = {}
    for name, lengths in kin.items():
        if sum(length for what, length in lengths.items() if what not in wanted) <= MORE:
            found |= dict.fromkeys(lengths, name)
    return found


def ran(path, program, code, starts):
    """What of `code` was run."""
    found = set()
    for at in addresses(path, program):
        start, length, what = code[bisect.bisect_right(starts, at) - 1]
        if start <= at < start + length:
            found.add(what)
    return found


main(*sys.argv[1:])
