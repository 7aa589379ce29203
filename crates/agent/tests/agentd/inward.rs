//! Ways in: real connections to programs that listen on the sandbox's loopback.

use protocol::{Target, Verdict};
use runbook::Program;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::gateway::Gateway;
use crate::sandbox::{Sandbox, block};

/// Gives back what it gets, until somebody says `stop` first.
const ECHO: &str = r"
import os, socket, socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        while data := self.rfile.read1(65536):
            if data == b'stop':
                os._exit(0)
            self.wfile.write(data)
class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6 if ':' in HOST else socket.AF_INET
    request_queue_size = 256
server = Server((HOST, 3000), Echo)
print('ready', flush=True)
server.serve_forever()
";

const PORT: Target = Target::Port { port: 3000 };

fn echo(host: &str) -> Sandbox {
    let code = format!("HOST = {host:?}\n{ECHO}");
    let sandbox = Sandbox::start(vec![block(Program::Python, &code)]);
    sandbox.gateway.wait_for_output("ready");
    sandbox
}

/// What the echo of this is, when one side has ended.
async fn said(gateway: &Gateway, n: u64, times: usize, text: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = tokio::io::split(gateway.dial(n, PORT, times).await.unwrap().unwrap());
    let mut back = vec![];
    let say = async {
        to.write_all(text).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let (_, heard) = tokio::join!(say, from.read_to_end(&mut back));
    heard.unwrap();
    back
}

fn finish(sandbox: Sandbox, n: u64) {
    sandbox
        .gateway
        .wait_for(async { assert_eq!(said(&sandbox.gateway, n, 1, b"stop").await, b"") });
    assert_eq!(sandbox.finish().0.verdict(), Verdict::Complete);
}

#[test]
fn a_port_is_reached_on_either_loopback() {
    let text: Vec<u8> = (0..4_000_000u32).map(|i| i.to_le_bytes()[1]).collect();
    for host in ["127.0.0.1", "::1"] {
        let sandbox = echo(host);
        let gateway = &sandbox.gateway;
        // Asked for twice, it is brought once.
        gateway.wait_for(async { assert!(said(gateway, 1, 2, &text).await == text, "{host}") });
        finish(sandbox, 2);
    }
}

#[test]
fn where_nothing_listens_people_are_told_so() {
    let sandbox = echo("127.0.0.1");
    for (n, port) in [(1, 3001), (2, 0), (3, 65535)] {
        let why = sandbox.gateway.dial(n, Target::Port { port }, 1);
        let why = sandbox.gateway.wait_for(why).unwrap().unwrap_err();
        assert_eq!(why, format!("nothing listens on port {port} in the sandbox"));
    }
    finish(sandbox, 4);
}

#[test]
fn there_is_room_for_so_many_and_then_for_no_more() {
    let sandbox = echo("127.0.0.1");
    let gateway = &sandbox.gateway;
    gateway.wait_for(async {
        let mut open = vec![];
        for n in 1..=128 {
            let mut stream = gateway.dial(n, PORT, 1).await.unwrap().unwrap();
            stream.write_all(b"x").await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'x');
            open.push(stream);
        }
        let why = gateway.dial(129, PORT, 1).await.unwrap().unwrap_err();
        assert_eq!(why, "128 connections into this sandbox are open already; close some");
        drop(open.pop());
        let mut n = 130;
        // The other end of it has to hear of it first.
        while gateway.dial(n, PORT, 1).await.unwrap().is_err() {
            n += 1;
        }
    });
    finish(sandbox, 1_000_000);
}

#[test]
fn a_new_orchestrator_finds_the_way_again_and_says_nothing_twice() {
    let mut sandbox = echo("127.0.0.1");
    let gateway = &sandbox.gateway;
    let mut broken = gateway.wait_for(gateway.dial(1, PORT, 1)).unwrap().unwrap();
    sandbox.gateway.stop();
    sandbox.gateway.start();
    let gateway = &sandbox.gateway;
    gateway.wait_for(async {
        assert!(broken.read_u8().await.is_err());
        assert_eq!(said(gateway, 2, 1, b"again").await, b"again");
    });
    finish(sandbox, 3);
}
