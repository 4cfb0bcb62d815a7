#!/bin/sh
# Run by mmdebstrap as its extract hook with the root file system as $1, before it is packed.
#
# Packages are unpacked, not configured (that halves the time), so what their scripts would have done and is
# needed here is done below: users and the name awk. Everything that tells where the packages came from is removed, and so is
# what a container never reads.
set -eu
root=$1

rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/trusted.gpg.d/* \
    "$root"/etc/apt/apt.conf.d/99mmdebstrap \
    "$root"/var/lib/apt/lists/* "$root"/var/log/apt "$root"/etc/resolv.conf "$root"/etc/hostname \
    "$root"/etc/machine-id
mkdir -p "$root/etc" "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/usr/local/bin"
chmod 1777 "$root/tmp"

cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
ln -sf mawk "$root/usr/bin/awk"
# Numbers of the official images, so that volumes and files laid into containers suit both.
for user in haproxy:99:/var/lib/haproxy mysql:999:/var/lib/mysql redis:998:/data; do
    name=${user%%:*} rest=${user#*:}
    printf '%s:x:%s:%s::%s:/bin/sh\n' "$name" "${rest%%:*}" "${rest%%:*}" "${rest#*:}" >> "$root/etc/passwd"
    printf '%s:x:%s:\n' "$name" "${rest%%:*}" >> "$root/etc/group"
done

# Not read in a container: documents, translations, Perl's modules, and big clients that nothing calls.
rm -rf "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/info "$root"/usr/share/locale \
    "$root"/usr/share/i18n "$root"/usr/share/perl "$root"/usr/share/perl5 "$root"/usr/lib/*/perl \
    "$root"/usr/share/lintian "$root"/usr/share/mysql/mysql-test "$root"/usr/lib/python3*/test
for tool in mariadb-slap mariadb-binlog mariadb-show mariadb-import mariadb-check mariadb-plugin mariadb-conv \
    mariadb-waitpid mariadb-tzinfo-to-sql mariadb-upgrade innochecksum perror replace resolve_stack_dump; do
    rm -f "$root/usr/bin/$tool"
done
for link in "$root"/usr/bin/mysql* "$root"/usr/bin/mariadb*; do
    # Names that pointed at what has just been removed.
    [ -e "$link" ] || [ ! -L "$link" ] || rm -f "$link"
done
rm -f "$root"/var/lib/dpkg/info/*.postinst "$root"/var/lib/dpkg/info/*.preinst \
    "$root"/var/lib/dpkg/info/*.postrm "$root"/var/lib/dpkg/info/*.prerm "$root"/var/log/*.log
