# The verbs of this project. `./justw` lists them; `./justw VERB` first installs what the machine lacks.

# List the verbs
_default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# All tests; the last line says `N passed, N failed`
test:
    cargo test
