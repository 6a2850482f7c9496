
usage() {
    echo "usage: sh $0 [--dry-run] [--all]"
    echo "  --dry-run  prints the blobs that were missed, and hands over none"
    echo "  --all      also hands over the blobs of functions that leave no trace of what they did"
}

dry_run=''
all=''
for word in "$@"; do
    case $word in
        --dry-run) dry_run=1 ;;
        --all) all=1 ;;
        --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
if [ -n "$dry_run" ]; then
    MASTER_KEY=unused
    APP_URL=unused
fi
# What was handed over is written down here, so that an interrupted run can be continued.
handed=${CATCH_UP_STATE:-./catch-up.handed}
# A function that left no output within this time may have failed, and gets the blob again.
again_s=${CATCH_UP_AGAIN_SECONDS:-3600}
: >>"$handed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
tab=$(printf '\t')
missed_in_all=0
own_connection=''

# Runs `az storage` on the account of the current trigger. Secrets are no arguments, which other
# users of this machine could see.
storage() {
    if [ -n "$endpoint" ]; then
        az storage "$@" --blob-endpoint "$endpoint" --auth-mode login
    else
        AZURE_STORAGE_CONNECTION_STRING=$connection az storage "$@"
    fi
}

# Writes the blobs of a container to a file, one per line: ETag, time of the last change, names of
# its metadata, name. A container that is not there has no blobs.
list() { # CONTAINER PREFIX FILE
    exists=$(storage container exists --name "$1" --query exists --output tsv)
    case $exists in
        [Ff]alse) : >"$3" ;;
        *)
            storage blob list --container-name "$1" --prefix="$2" --num-results '*' --include m --output tsv \
                --query "[].[properties.etag, properties.lastModified, join(',', keys(metadata || \`{}\`)), name]" >"$3"
            ;;
    esac
}

# Writes the receipts of the Functions host to a file, in the form of `list`.
receipts() { # FILE
    (
        connection=$own_connection
        endpoint=''
        list azure-webjobs-hosts blobreceipts/ "$1"
    )
}

# Prints the blobs of a listing that match a pattern and are not done, as `{"input": …}`, a tab and
# the ETag. Patterns and names are passed by the environment, because awk would change `\` elsewhere.
missing() { # MODE
    now=$(date +%s)
    MODE=$1 NOW=$now AGAIN=$again_s FUNCTION=$function PATH_OF=$path OUTPUT=$output PARK=$park \
        LC_ALL=C awk '
        # Splits a pattern into the texts around its placeholders, and the names of these.
        function split_pattern(pattern, texts, names,    count, open, close_at) {
            count = 0
            while ((open = index(pattern, "{")) > 0) {
                texts[count] = substr(pattern, 1, open - 1)
                pattern = substr(pattern, open + 1)
                close_at = index(pattern, "}")
                count++
                names[count] = tolower(substr(pattern, 1, close_at - 1))
                pattern = substr(pattern, close_at + 1)
            }
            texts[count] = pattern
            return count
        }
        # Finds the values of the placeholders. As for the Functions host, an earlier one takes as
        # much as it can. So the texts are searched from the right.
        function match_name(name,    number, at, end, length_of) {
            if (substr(name, 1, length(texts[0])) != texts[0]) return 0
            if (count == 0) return name == texts[0]
            end = length(name) + 1
            for (number = count; number >= 1; number--) {
                length_of = length(texts[number])
                at = end - length_of
                if (number < count)
                    while (at > length(texts[0]) && substr(name, at, length_of) != texts[number]) at--
                if (at <= length(texts[0]) || substr(name, at, length_of) != texts[number]) return 0
                ends[number] = at
                starts[number + 1] = at + length_of
                end = at
            }
            starts[1] = length(texts[0]) + 1
            for (number = 1; number <= count; number++)
                values[names[number]] = substr(name, starts[number], ends[number] - starts[number])
            return 1
        }
        # Returns the name of the blob that a pattern of an output names.
        function filled(pattern,    text, open, close_at, name) {
            text = ""
            while ((open = index(pattern, "{")) > 0) {
                text = text substr(pattern, 1, open - 1)
                pattern = substr(pattern, open + 1)
                close_at = index(pattern, "}")
                name = tolower(substr(pattern, 1, close_at - 1))
                text = text values[name]
                pattern = substr(pattern, close_at + 1)
            }
            return text pattern
        }
        function quoted(text,    result, number, width, c) {
            result = ""
            for (number = 1; number <= length(text); number += width) {
                for (width = 3; width > 1; width--) if (substr(text, number, width) in escapes) break
                c = substr(text, number, width)
                result = result ((c in escapes) ? escapes[c] : c)
            }
            return "\"" result "\""
        }
        # Escapes a range of characters that have the same bytes in UTF-8, except for the last one.
        function escape(start, first, last, code,    byte) {
            for (byte = first; byte <= last; byte++)
                escapes[start sprintf("%c", byte)] = sprintf("\\u%04x", code + byte - first)
        }
        # Returns the rest of the line after a number of fields: a name may have tabs.
        function rest(fields,    line) {
            line = $0
            for (; fields > 0; fields--) line = substr(line, index(line, "\t") + 1)
            return line
        }
        function blob_of(path) { return substr(path, index(path, "/") + 1) }
        BEGIN {
            FS = "\t"
            for (code = 1; code < 32; code++) escapes[sprintf("%c", code)] = sprintf("\\u%04x", code)
            # Delete, the controls of ISO 8859-1, and the marks that change the direction of text.
            escape("", 127, 127, 127)
            escape(sprintf("%c", 194), 128, 159, 128)
            escape(sprintf("%c", 216), 156, 156, 1564)
            escape(sprintf("%c%c", 226, 128), 142, 143, 8206)
            escape(sprintf("%c%c", 226, 128), 168, 174, 8232)
            escape(sprintf("%c%c", 226, 129), 166, 169, 8294)
            escapes["\""] = "\\\""
            escapes["\\"] = "\\\\"
            path = ENVIRON["PATH_OF"]
            container = substr(path, 1, index(path, "/") - 1)
            count = split_pattern(blob_of(path), texts, names)
            output = blob_of(ENVIRON["OUTPUT"])
            park = blob_of(ENVIRON["PARK"])
            mode = ENVIRON["MODE"]
        }
        kind == "handed" {
            # Function, time, ETag, input.
            if ($1 == ENVIRON["FUNCTION"] && (mode != "outputs" || $2 + ENVIRON["AGAIN"] > ENVIRON["NOW"] + 0))
                is_handed[$3 "\t" rest(3)] = 1
            next
        }
        # The folder of a storage account with folders is no blob.
        ("," tolower($3) ",") ~ /,hdi_isfolder,/ { next }
        kind == "output" { outputs[rest(3)] = $2; next }
        kind == "park" { parks[rest(3)] = $2; next }
        kind == "receipt" {
            # blobreceipts/HOST/FUNCTION/ETAG/CONTAINER/BLOB
            name = rest(3)
            split(name, parts, "/")
            own = parts[3]
            sub(/^.*[.]/, "", own)
            gsub(/"/, "", parts[4])
            # A receipt with this mark was begun, and the call was never queued.
            if (tolower($3) !~ /incomplete/ && own == ENVIRON["FUNCTION"]) {
                blob = substr(name, length(parts[1] parts[2] parts[3]) + 4)
                receipts[parts[4] "\t" substr(blob, index(blob, "/") + 1)] = 1
            }
            next
        }
        {
            name = rest(3)
            if (!match_name(name)) next
            seen++
            etag = $1
            gsub(/"/, "", etag)
            if (mode == "outputs") {
                # An output that is older than the blob belongs to an earlier version of the blob.
                if (output != "" && filled(output) in outputs && outputs[filled(output)] >= $2) next
                if (park != "" && filled(park) in parks && parks[filled(park)] >= $2) next
            } else if (mode == "receipts" && (etag "\t" container "/" name) in receipts) next
            missed++
            input = "{\"input\":" quoted(container "/" name) "}"
            if ((etag "\t" input) in is_handed) { waiting++; next }
            print input "\t" etag
        }
        END {
            printf "%s: %d blobs, %d missed, %d of these were handed over before\n", \
                ENVIRON["FUNCTION"], seen, missed, waiting > "/dev/stderr"
        }' kind=handed "$handed" kind=output "$work/output" kind=park "$work/park" \
        kind=receipt "$work/receipts" kind=input "$work/input" >"$work/missing"
}

# Hands one blob to the function. The Functions host answers with 202, and scores it then.
hand_over() { # INPUT
    printf 'header = "x-functions-key: %s"\n' "$MASTER_KEY" |
        curl --config - --silent --show-error --max-time 60 --retry 4 --output /dev/null \
            --write-out '%{http_code}' --request POST --header 'content-type: application/json' \
            --data-binary "$1" "$APP_URL/admin/functions/$function"
}

# Finds the blobs of one function that were missed, and hands them over. The variables `function`,
# `path`, `output`, `park`, `connection` and `endpoint` describe the function.
catch_up() { # MODE
    if [ "$1" = nothing ] && [ -z "$all" ]; then
        printf '%s: left out, because it leaves no trace of what it did; --all hands over every blob once\n' \
            "$function" >&2
        return
    fi
    : >"$work/output"
    : >"$work/park"
    : >"$work/receipts"
    blobs=${path#*/}
    list "${path%%/*}" "${blobs%%'{'*}" "$work/input"
    if [ "$1" = outputs ] && [ -n "$output" ]; then
        blobs=${output#*/}
        list "${output%%/*}" "${blobs%%'{'*}" "$work/output"
    fi
    if [ "$1" = outputs ] && [ -n "$park" ]; then
        blobs=${park#*/}
        list "${park%%/*}" "${blobs%%'{'*}" "$work/park"
    fi
    if [ "$1" = receipts ]; then
        receipts "$work/receipts"
    fi
    missing "$1"
    while IFS=$tab read -r input etag; do
        missed_in_all=$((missed_in_all + 1))
        if [ -n "$dry_run" ]; then
            printf '%s\t%s\n' "$function" "$input"
            continue
        fi
        status=$(hand_over "$input") || status="$status, curl failed"
        if [ "$status" != 202 ]; then
            printf '%s did not take %s: status %s\n' "$function" "$input" "$status" >&2
            echo "  fix: with 401 or 403 check MASTER_KEY, with 404 the name of the app; then run this again: it goes on here" >&2
            exit 1
        fi
        printf '%s\t%s\t%s\t%s\n' "$function" "$(date +%s)" "$etag" "$input" >>"$handed"
    done <"$work/missing"
}
