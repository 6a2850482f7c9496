#!/bin/sh
# Runs rustc for the build of a component, so that its result does not depend on the folder of any package. Cargo calls it
# with the compiler first.
#
# Cargo names each crate by a hash. For a package outside of the workspace the hash covers its path on this machine, and so do
# the hashes of all packages that need it. SCOREBOX_PLACED has these packages, and they get names without a path.
case " $SCOREBOX_PLACED " in
*" $CARGO_PKG_NAME@$CARGO_PKG_VERSION "*)
    for argument; do
        shift
        case $argument in
        metadata=*) argument="metadata=$CARGO_PKG_NAME@$CARGO_PKG_VERSION" ;;
        esac
        set -- "$@" "$argument"
    done
    ;;
esac
exec "$@"
