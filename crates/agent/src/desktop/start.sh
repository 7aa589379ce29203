# Starts the X server, whose size is in `size`, and what it has beside.
#
# The socket is for agentd too, which is not the command user; nobody else is there. Who connects and
# leaves again is not locked out: nobody has to log in. Without root, X servers do not make the folder
# of their sockets. What is written to the display's descriptor says that it is ready.
exec 2>/tmp/.cagent-desktop.log
managed='touch /tmp/.cagent-desktop-managed'
rm -f /tmp/.cagent-desktop-managed
[ -d /tmp/.X11-unix ] || mkdir -m 1777 /tmp/.X11-unix

installed() {
    [ -n "$(command -v "$1")" ]
}

# item LABEL SCRIPT: what is begun from the menu begins in the workspace; Openbox is at home.
item() {
    printf '<item label="%s"><action name="Execute"><execute>%s</execute></action></item>\n' \
        "$1" "sh -c 'cd /workspace; $2'"
}

# What a right click on the background offers.
menu() {
    echo '<openbox_menu xmlns="http://openbox.org/"><menu id="root-menu" label="Desktop">'
    ! installed xterm || item Terminal 'exec xterm -fa Monospace -fs 11'
    # Its own sandbox where the kernel lets it have one.
    ! installed chromium ||
        item 'Web browser' 'unshare -U true || set -- --no-sandbox --test-type; exec chromium "$@"'
    echo '<separator/><menu id="client-list-combined-menu"/></menu></openbox_menu>'
}

# One of the job's own counts.
openbox_menu=$HOME/.config/openbox/menu.xml
[ -e "$openbox_menu" ] || { mkdir -p "${openbox_menu%/*}" && menu >"$openbox_menu"; }

Xvnc :1 -displayfd 1 -geometry "$size" -depth 24 -s 0 -desktop desktop -nolisten tcp \
    -rfbport -1 -rfbunixpath /tmp/.cagent-rfb -rfbunixmode 0666 \
    -SecurityTypes None -UseBlacklist=0 -AlwaysShared -AcceptSetDesktopSize | {
    read -r _ || exit
    installed openbox && exec openbox --startup "$managed" >/dev/null 2>&1
    $managed
}
