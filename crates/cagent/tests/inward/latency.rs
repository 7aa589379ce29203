//! How long it takes. Prints figures; run it with `--release --ignored --nocapture`.

use std::time::{Duration, Instant};

use jobs::Target;
use tokio::io::AsyncReadExt as _;

use crate::http::call;
use crate::support::{Bed, jupyter};

const GREETER: &str = r#"
```python
import socket
server = socket.create_server(('127.0.0.1', 3000), backlog=128)
print('ready', flush=True)
while True:
    client = server.accept()[0]
    client.sendall(b'x')
    client.close()
```
"#;

const IDLE: &str = "```sh\necho ready\nsleep 1000\n```\n";

pub(crate) fn middle(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

#[tokio::test]
#[ignore = "a measurement"]
async fn of_a_port_and_of_jupyter() {
    let bed = Bed::new(Some(jupyter())).await;
    let job = bed.ready(GREETER).await;
    let mut all = vec![];
    for _ in 0..500 {
        let began = Instant::now();
        let mut stream = bed.dial(job, Target::Port { port: 3000 }).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
        all.push(began.elapsed());
    }
    println!("a port to its first byte: {:?}", middle(all));
    bed.jobs.cancel(job).await.unwrap();

    let (mut cold, mut warm) = (vec![], vec![]);
    for _ in 0..5 {
        let job = bed.ready(IDLE).await;
        for all in [&mut cold, &mut warm] {
            let began = Instant::now();
            assert_eq!(call(&bed, job, Target::Jupyter, "GET /api", "").await.status, 200);
            all.push(began.elapsed());
        }
        bed.jobs.cancel(job).await.unwrap();
    }
    println!("Jupyter to its first answer: cold {:?}, then {:?}", middle(cold), middle(warm));
}
