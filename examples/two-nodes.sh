#!/bin/sh
# Two nodes on this machine: mail sent to one is read on the other. Run it in a checkout or with pmnode installed:
#   sh examples/two-nodes.sh
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
pmnode=$(command -v pmnode || echo "$here/cli/pmnode")
data=$(mktemp -d)
trap 'kill $a $b 2>/dev/null; wait; rm -rf "$data"' EXIT INT TERM
off="--submission off --submissions off --imaps off --http off --p2p 127.0.0.1:0"

"$pmnode" start --data "$data/a" --name a --smtp 127.0.0.1:2625 --imap off $off > "$data/a.ready" 2> "$data/a.log" & a=$!
until grep -q ^ready "$data/a.ready"; do kill -0 $a; sleep 0.1; done
echo secret | "$pmnode" user add anna@example.test --password-stdin --create-domain --data "$data/a"

link=$("$pmnode" invite --data "$data/a")
"$pmnode" join "$link" --data "$data/b" --name b --smtp off --imap 127.0.0.1:2243 $off > "$data/b.ready" 2> "$data/b.log" & b=$!
until grep -q ^ready "$data/b.ready"; do kill -0 $b; sleep 0.1; done

curl --silent --show-error smtp://127.0.0.1:2625 --mail-from ben@example.net --mail-rcpt anna@example.test --upload-file - <<'MAIL'
From: Ben <ben@example.net>
To: Anna <anna@example.test>
Subject: Taken by a, read on b

Hello Anna.
MAIL
echo "--- read on b:"
curl --silent --show-error --user anna@example.test:secret "imap://127.0.0.1:2243/INBOX;MAILINDEX=1"
"$pmnode" status --data "$data/b"
