#!/usr/bin/env bash
# A real S3 for tests: a minimal Ceph (one monitor, one OSD on a sparse file, radosgw) on 127.0.0.1, without root and
# without installing anything. Needs CEPH_ROOT with unpacked Debian packages, an empty folder CEPH_DATA, and two ports.
# Leaves the process ids in CEPH_DATA/*.pid. Its first start takes about 20 s and 250 MB.
set -e
R=${CEPH_ROOT:?} D=${CEPH_DATA:?} MON_PORT=${CEPH_MON_PORT:?} S3_PORT=${CEPH_S3_PORT:?}
export LD_LIBRARY_PATH=$R/usr/lib/x86_64-linux-gnu:$R/usr/lib/x86_64-linux-gnu/ceph
export PATH=$R/usr/bin:$PATH PYTHONPATH=$R/usr/lib/python3/dist-packages:$R/usr/lib/python3.13/dist-packages
export CEPH_CONF=$D/ceph.conf
FSID=5a5a0000-0000-4000-8000-000000000002
cat > "$D/ceph.conf" <<C
[global]
fsid = $FSID
mon_host = v1:127.0.0.1:$MON_PORT
mon_initial_members = a
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr2 = false
plugin_dir = $R/usr/lib/x86_64-linux-gnu/ceph
osd_class_dir = $R/usr/lib/x86_64-linux-gnu/rados-classes
erasure_code_dir = $R/usr/lib/x86_64-linux-gnu/ceph/erasure-code
admin_socket =
run_dir = $D/run
keyring = $D/keyring
log_file = $D/\$name.log
pid_file =
osd_objectstore = bluestore
bluestore_block_size = 4294967296
osd_memory_target = 939524096
bluestore_cache_size = 67108864
bluestore_bluefs_min_free = 0
osd_data = $D/osd0
mon_data = $D/mona
mon_osd_full_ratio = .99
mon_osd_nearfull_ratio = .98
mon_data_avail_crit = 1
[client]
rgw_data = $D/rgw
rgw_frontends = beast endpoint=127.0.0.1:$S3_PORT
rgw_rados_pool_pg_num_min = 1
C
mkdir -p "$D"/{run,osd0,mona,rgw}
monmaptool --create --fsid $FSID --addv a "[v1:127.0.0.1:$MON_PORT]" "$D/monmap" --clobber > /dev/null
touch "$D/keyring"
ceph-authtool -C "$D/keyring" --gen-key -n mon. --cap mon 'allow *' > /dev/null
ceph-mon --mkfs -i a --monmap "$D/monmap" --keyring "$D/keyring" --public-addr "127.0.0.1:$MON_PORT"
ceph-mon -f -i a --public-addr "127.0.0.1:$MON_PORT" > "$D/mon.out" 2>&1 & echo $! > "$D/mon.pid"
for _ in $(seq 60); do ceph --connect-timeout 2 -s > /dev/null 2>&1 && break; sleep .2; done
OSD=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$OSD" > /dev/null
ceph-osd -i 0 --mkfs --osd-uuid "$OSD" > "$D/osd.mkfs" 2>&1
ceph-osd -f -i 0 > "$D/osd.out" 2>&1 & echo $! > "$D/osd.pid"
for _ in $(seq 100); do ceph osd stat 2> /dev/null | grep -q '1 up' && break; sleep .2; done
ceph osd crush set osd.0 1 host=h root=default > /dev/null 2>&1 || true
radosgw -f -n client.rgw > "$D/rgw.out" 2>&1 & echo $! > "$D/rgw.pid"
for _ in $(seq 300); do curl -s -o /dev/null "http://127.0.0.1:$S3_PORT/" && break; sleep .2; done
radosgw-admin -n client.rgw user create --uid jetty --display-name jetty \
  --access-key jettykey --secret-key jettysecret0123 > /dev/null 2>&1
