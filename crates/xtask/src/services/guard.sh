# Runs a server and ends it when standard input closes. The kernel closes it when the parent process ends for any reason.
# Arguments: the signal that ends the server at once, the folder to remove afterwards, then the server's command line.

signal=$1
folder=$2
shift 2
exec 3<&0

"$@" 3<&- &
server=$!

# The data is deleted, so the server need not write it first. Programs in the background of a shell ignore SIGQUIT unless
# they install a handler, as PostgreSQL does.
{ cat <&3 >/dev/null; kill -s "$signal" "$server"; } &
watch=$!

wait "$server"
status=$?
kill "$watch" 2>/dev/null
rm -rf -- "$folder"
exit "$status"
