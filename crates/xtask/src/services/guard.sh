# Runs a server and ends it when standard input closes, which the kernel does for whoever started us, however they end.
# Arguments: the folder to remove afterwards, then the server's command line.

folder=$1
shift
exec 3<&0

"$@" 3<&- &
server=$!

# SIGQUIT: the data is thrown away, so nothing need be written first.
{ cat <&3 >/dev/null; kill -QUIT "$server"; } &
watch=$!

wait "$server"
status=$?
kill "$watch" 2>/dev/null
rm -rf -- "$folder"
exit "$status"
