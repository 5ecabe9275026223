#!/bin/sh
# Stands in for the entrypoint of docker.io/library/postgres: the same variables, folder and starts.
set -eu
data=/var/lib/postgresql/18/docker
if [ "$(id -u)" = 0 ]; then
  mkdir -p /run/postgresql
  chown -R postgres: /var/lib/postgresql /run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups sh "$0" "$@"
fi
if [ ! -s "$data/PG_VERSION" ]; then
  mkdir -p "$data"
  printf '%s\n' "${POSTGRES_PASSWORD:?}" > /tmp/password
  initdb -D "$data" -U "${POSTGRES_USER:?}" --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
  pg_ctl -D "$data" -w -o "-c listen_addresses=''" start
  createdb -U "$POSTGRES_USER" "${POSTGRES_DB:?}"
  sleep 2 # a check that asks the socket takes this server for the final one
  pg_ctl -D "$data" -w -m fast stop
fi
exec postgres -D "$data" -c listen_addresses='*'
