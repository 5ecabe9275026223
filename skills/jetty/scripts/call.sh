#!/bin/sh
# Sends one request to a Jetty server:  sh call.sh METHOD PATH [option of curl]...
#
#   sh call.sh GET /api/v1/tasks/acme
#   sh call.sh POST /api/v1/run/acme/greeting -F 'init_params={"name": "Ada"}'
#
# The server is JETTY_API_URL, otherwise the one of the last `jetty login`. The token is JETTY_API_TOKEN, otherwise the one
# of that login, which is sent to no other server. curl gets it through a pipe: no list of processes and no log shows it.
set -eu
[ $# -ge 2 ] || { echo "usage: sh call.sh METHOD PATH [option of curl]..." >&2; exit 2; }
method=$1
path=$2
shift 2
# Whatever else follows the address could make another host of it, which would get the token.
case $path in /*) ;; *) echo "PATH must begin with /, got: $path" >&2; exit 2 ;; esac
folder=$HOME/.config/jetty
base=$(cat "$folder/api_base" 2> /dev/null || echo http://127.0.0.1:7070)
url=${JETTY_API_URL:-$base}
if [ -n "${JETTY_API_TOKEN:-}" ]; then
  token=$JETTY_API_TOKEN
elif [ "${url%/}" = "${base%/}" ] && [ -r "$folder/token" ]; then
  token=$(cat "$folder/token")
else
  echo "There is no token for $url. Set JETTY_API_TOKEN, or run: jetty login --url $url" >&2
  exit 2
fi
exec curl --globoff --silent --show-error --fail-with-body --request "$method" --config /dev/fd/3 "$@" "${url%/}$path" 3<<END
header = "Authorization: Bearer $token"
END
