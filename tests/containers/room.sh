#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: room.sh FOLDER, as the first process of new mount and pid namespaces in the bed's network namespace.
# What runtimes write beside their own folders goes into layers below FOLDER; all mounts and processes end with this one.
set -eu
folder=$1
cp /etc/hosts "$folder/room/etc.up/hosts" # the bed's, which an overlay does not see
for path in /etc /var; do
	mount -t overlay overlay -o "lowerdir=$path,upperdir=$folder/room$path.up,workdir=$folder/room$path.work" "$path"
done
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock /run/systemd /run/user
# Bridged containers find the upstream, which listens on loopback, at the bridge's own address.
echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
echo ready
exec sleep 100000
