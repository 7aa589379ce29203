//! The example of a script that gives tasks.

use testkit::Server;
use tokio::process::Command;

use crate::support::CAGENT;

const BOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/bot.py");

#[tokio::test]
async fn ten_lines_of_python_give_a_task_and_fetch_its_result() {
    let server = Server::start(CAGENT).await;
    let zip = server.data_dir().path().parent().unwrap().join("result.zip");
    let task = "```bash\necho made > x.txt\n```\n";
    let mut bot = Command::new("python3");
    bot.arg(BOT).arg(task).arg(&zip).env("CAGENT_SERVER", server.url());
    let bot = bot.env_remove("CAGENT_API_KEY").env("no_proxy", "*").output().await.unwrap();
    let said = String::from_utf8(bot.stdout).unwrap();
    assert!(said.ends_with(" complete finished\n"), "{said}{:?}", bot.stderr);
    let job = server.client().jobs().await.jobs[0].job_id;
    assert_eq!(std::fs::read(zip).unwrap(), server.client().download(job).await);
}
