# The verbs of this project. `./justw` lists them; `./justw VERB` first installs what the machine lacks.
# Each is one call of the project's own tool, so that what is green here is green everywhere.
set positional-arguments

tessera := quote(justfile_directory() / "tools/tessera")

_default:
    @{{ quote(just_executable()) }} --justfile {{ quote(justfile()) }} --list --unsorted

# List the verbs
[no-exit-message]
@help: _default

# Boot to the shell, or run one task: an example by name, a package by folder, or an ELF file
[no-cd, no-exit-message]
@run *arguments:
    {{ tessera }} run "$@"

# All tests; the last line says `N passed, N failed`
[no-cd, no-exit-message]
@test *filter:
    {{ tessera }} test "$@"

# Tests that run on this machine
[no-cd, no-exit-message]
@t *filter:
    {{ tessera }} test --ring host "$@"

# Tests that boot a machine
[no-cd, no-exit-message]
@q *filter:
    {{ tessera }} test --ring machine "$@"

# Count the instructions of operations, beside what they cost on seL4 and Linux
[no-cd, no-exit-message]
@bench *arguments:
    {{ tessera }} bench "$@"

# Write down what the kernel's cases see on the kernel that TESSERA_KERNEL names
[no-cd, no-exit-message]
@golden *arguments:
    {{ tessera }} golden "$@"

# Feed the kernel random bytes as system calls, for so many seconds
[no-cd, no-exit-message]
@fuzz *arguments:
    {{ tessera }} fuzz "$@"

# Run the kernel's host tests in Miri, where the toolchain has it
[no-cd, no-exit-message]
@miri *filter:
    {{ tessera }} miri "$@"

# Format, lints, documentation, direction of dependency
[no-cd, no-exit-message]
@check:
    {{ tessera }} check

# Boot any seL4 root task directly on the kernel
[no-cd, no-exit-message]
@root *arguments:
    {{ tessera }} root "$@"

# Make a task of your own from a template: a name, or a folder that ends in one
[no-cd, no-exit-message]
@new *arguments:
    {{ tessera }} new "$@"

# Run a task, or the shell, under a debugger
[no-cd, no-exit-message]
@gdb *arguments:
    {{ tessera }} gdb "$@"

# Write the bootable image kernel8.img
[no-cd, no-exit-message]
@image *arguments:
    {{ tessera }} image "$@"
