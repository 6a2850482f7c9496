#!/bin/sh
# A test with the real host: it builds the component and scores with `scorebox invoke`.
set -eu
cd "$(dirname "$0")/.."
app=$(mktemp -d)
trap 'rm -rf "$app"' EXIT
# The build refuses a scorer that answers the sample differently.
scorebox build --manifest scorebox.toml --app "$app/app" >/dev/null
echo '{"features": [1, 2, 0.5]}' >"$app/request.json"
scorebox invoke --app "$app/app" --input "$app/request.json" | grep -q '"probability":0.4378'
echo '{"features": [-1, 2, 0.5]}' >"$app/request.json"
if scorebox invoke --app "$app/app" --input "$app/request.json" 2>/dev/null; then
    echo "a negative income was not rejected" >&2
    exit 1
fi
echo "the component answers as the scorer"
