# Runs a server and ends it when standard input closes, which the kernel does for whoever started us, however they end.
# Arguments: the signal that ends the server at once, the folder to remove afterwards, then the server's command line.

signal=$1
folder=$2
shift 2
exec 3<&0

"$@" 3<&- &
server=$!

# The data is thrown away, so nothing need be written first. A shell's background program ignores SIGQUIT unless it says
# otherwise itself, as PostgreSQL does.
{ cat <&3 >/dev/null; kill -s "$signal" "$server"; } &
watch=$!

wait "$server"
status=$?
kill "$watch" 2>/dev/null
rm -rf -- "$folder"
exit "$status"
