# tries: to say what restarts the machine
# expects: EPERM
# layer: seccomp
attempt_all((call, 'reboot', 0xfee1dead, 672274793, 0, 0), (call, 'reboot', 0xfee1dead, 672274793, 0x89abcdef, 0))
