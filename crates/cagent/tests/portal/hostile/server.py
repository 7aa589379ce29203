# Serves one page whatever it is asked, on a port or a socket, and writes down what it was asked.
import http.server, os, pathlib, socketserver, sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self):
        length = int(self.headers.get('Content-Length') or 0)
        self.rfile.read(length)
        seen = f"{self.command} {self.path} cookie={self.headers.get('Cookie')}\n"
        with open(os.environ.get('SEEN', 'seen.log'), 'a') as log:
            log.write(seen)
        page = pathlib.Path(os.environ.get('PAGE', 'page.html'))
        body = page.read_bytes() if page.exists() else b'<title>mine</title>a secret of this job'
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(body)))
        # What would help its own attacks, were it passed on.
        self.send_header('Set-Cookie', 'cagent-control=evil; Path=/')
        self.send_header('Set-Cookie', 'wide=1; Domain=localhost')
        self.send_header('Access-Control-Allow-Origin', '*')
        self.send_header('Content-Security-Policy', 'frame-ancestors *')
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = do_OPTIONS = answer

    def address_string(self):
        return ''


class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    pass


where = sys.argv[1]
if where.isdigit():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', int(where)), Handler)
else:
    server = Unix(where, Handler)
    os.chmod(where, 0o666)
print('ready', flush=True)
server.serve_forever()
