-- The dump of schema 4, brought to 5 by its migration; the job that was lost can be resumed.
PRAGMA foreign_keys = OFF;
PRAGMA auto_vacuum = incremental;
BEGIN TRANSACTION;
CREATE TABLE events (
    job   TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq   INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    event TEXT    NOT NULL,
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',1,1790000000000000,'{"type":"scheduled","mode":"agent"}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',2,1790000001000000,'{"type":"starting"}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',3,1790000002000000,'{"type":"running","agent":"0.1.0","sandbox":{"engine":"local","isolation":"namespace","shortfalls":[{"what":"cpus","why":"no cgroup","cure":"use systemd"}]}}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',4,1790000003000000,'{"type":"node_started","node":"run","attempt":1}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',5,1790000004000000,'{"type":"plan","plan":{"deliverables":["a.txt"],"items":[{"text":"write it","state":"active"}],"checks":[{"what":"it is there","command":"test -f a.txt"}]}}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',6,1790000005000000,'{"type":"said","by":"person","text":"make it short"}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',7,1790000006000000,'{"type":"said","by":"agent","text":"I will"}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',8,1790000007000000,'{"type":"decided","step":1,"approved":true,"reason":null}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',9,1790000008000000,'{"type":"desktop","taken":true}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',10,1790000009000000,'{"type":"desktop","taken":false}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',11,1790000010000000,'{"type":"step_started","step":1,"kind":"bash","title":"say hi","line":3,"code":"echo hi"}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',12,1790000011000000,'{"type":"output","step":1,"stream":"stdout","offset":0,"bytes":3}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',13,1790000012000000,'{"type":"egress","host":"example.org","port":443,"verdict":"allowed","why":null,"sent_bytes":10,"received_bytes":20,"millis":5,"count":1}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',14,1790000013000000,'{"type":"step_finished","step":1,"outcome":"ok","exit_code":0,"millis":7}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',15,1790000014000000,'{"type":"notice","level":"warning","text":"the disk is slow"}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',16,1790000015000000,'{"type":"step_started","step":2,"kind":"file","title":"a.txt","line":9,"code":"hi\n"}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',17,1790000016000000,'{"type":"step_finished","step":2,"outcome":"ok","exit_code":null,"millis":1}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',18,1790000017000000,'{"type":"node_finished","node":"run","action":"done","error":null,"millis":9}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',19,1790000018000000,'{"type":"result","result":{"summary":"said hi","artifacts":["a.txt"],"checks":[{"what":"it is there","command":"test -f a.txt","passed":true,"found":""}],"verified":true}}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',20,1790000019000000,'{"type":"packaging"}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',21,1790000020000000,'{"type":"packaged","files":1,"bytes":321,"left_out":0}');
INSERT INTO events VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',22,1790000021000000,'{"type":"ended","status":"complete","reason":"finished","exit_code":0,"error":null}');
INSERT INTO events VALUES('01a20064-0429-755d-a0a6-c190a4606abb',1,1790000040000000,'{"type":"scheduled","mode":"runbook"}');
INSERT INTO events VALUES('01a20064-0429-755d-a0a6-c190a4606abb',2,1790000041000000,'{"type":"starting"}');
INSERT INTO events VALUES('01a20064-0429-755d-a0a6-c190a4606abb',3,1790000042000000,'{"type":"running","agent":"0.1.0","sandbox":{"engine":"local","isolation":"namespace","shortfalls":[{"what":"cpus","why":"no cgroup","cure":"use systemd"}]}}');
INSERT INTO events VALUES('01a20064-0429-755d-a0a6-c190a4606abb',4,1790000043000000,'{"type":"packaging"}');
INSERT INTO events VALUES('01a20064-0429-755d-a0a6-c190a4606abb',5,1790000044000000,'{"type":"packaged","files":0,"bytes":200,"left_out":1}');
INSERT INTO events VALUES('01a20064-0429-755d-a0a6-c190a4606abb',6,1790000045000000,'{"type":"ended","status":"error","reason":"sandbox_lost","exit_code":null,"error":"it was killed"}');
INSERT INTO events VALUES('01a20064-042f-7505-bfc2-827ae021cda0',1,1790000052000000,'{"type":"scheduled","mode":"runbook"}');
INSERT INTO events VALUES('01a20064-042f-7505-bfc2-827ae021cda0',2,1790000053000000,'{"type":"starting"}');
INSERT INTO events VALUES('01a20064-042f-7505-bfc2-827ae021cda0',3,1790000054000000,'{"type":"running","agent":"0.1.0","sandbox":{"engine":"local","isolation":"namespace","shortfalls":[{"what":"cpus","why":"no cgroup","cure":"use systemd"}]}}');
INSERT INTO events VALUES('01a20064-042f-7505-bfc2-827ae021cda0',4,1790000055000000,'{"type":"cancel_requested"}');
INSERT INTO events VALUES('01a20064-042f-7505-bfc2-827ae021cda0',5,1790000056000000,'{"type":"packaging"}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',1,1790000060000000,'{"type":"scheduled","mode":"runbook"}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',2,1790000061000000,'{"type":"starting"}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',3,1790000062000000,'{"type":"running","agent":"0.1.0","sandbox":{"engine":"local","isolation":"namespace","shortfalls":[{"what":"cpus","why":"no cgroup","cure":"use systemd"}]}}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',4,1790000063000000,'{"type":"node_started","node":"run","attempt":1}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',5,1790000064000000,'{"type":"plan","plan":{"deliverables":["a.txt"],"items":[{"text":"write it","state":"active"}],"checks":[{"what":"it is there","command":"test -f a.txt"}]}}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',6,1790000065000000,'{"type":"said","by":"person","text":"make it short"}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',7,1790000066000000,'{"type":"said","by":"agent","text":"I will"}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',8,1790000067000000,'{"type":"decided","step":1,"approved":true,"reason":null}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',9,1790000068000000,'{"type":"desktop","taken":true}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',10,1790000069000000,'{"type":"desktop","taken":false}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',11,1790000070000000,'{"type":"step_started","step":1,"kind":"bash","title":"say hi","line":3,"code":"echo hi"}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',12,1790000071000000,'{"type":"output","step":1,"stream":"stdout","offset":0,"bytes":3}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',13,1790000072000000,'{"type":"egress","host":"example.org","port":443,"verdict":"allowed","why":null,"sent_bytes":10,"received_bytes":20,"millis":5,"count":1}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',14,1790000073000000,'{"type":"step_finished","step":1,"outcome":"ok","exit_code":0,"millis":7}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',15,1790000074000000,'{"type":"notice","level":"warning","text":"the disk is slow"}');
INSERT INTO events VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',16,1790000075000000,'{"type":"step_started","step":2,"kind":"file","title":"a.txt","line":9,"code":"hi\n"}');
INSERT INTO events VALUES('01a20064-0446-72ba-b5af-e27a94bf937f',1,1790000080000000,'{"type":"scheduled","mode":"runbook"}');
CREATE TABLE jobs (
    id               TEXT    PRIMARY KEY,
    created          INTEGER NOT NULL,
    status           TEXT    NOT NULL,
    started          INTEGER,
    completed        INTEGER,
    ending           TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    sandbox          TEXT,
    usage            TEXT,
    zip_bytes        INTEGER,
    last_seq         INTEGER NOT NULL DEFAULT 0,
    -- The agent's session.
    key_hash         BLOB,
    key_used         INTEGER NOT NULL DEFAULT 0,
    acked            INTEGER NOT NULL DEFAULT 0,
    checkpoint       TEXT,
    open_step        INTEGER,                    -- started, its end not reported
    stdout_bytes     INTEGER NOT NULL DEFAULT 0,
    stderr_bytes     INTEGER NOT NULL DEFAULT 0
, title TEXT NOT NULL DEFAULT '', request_key TEXT, fingerprint BLOB, verdict TEXT, sent_bytes INTEGER NOT NULL DEFAULT 0, received_bytes INTEGER NOT NULL DEFAULT 0, result TEXT, waiting TEXT, spend TEXT, kept INTEGER NOT NULL DEFAULT 0, resumes TEXT) STRICT;
INSERT INTO jobs VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9',1790000000000000,'complete',1790000001000000,1790000030000000,'{"status":"complete","reason":"finished","exit_code":0,"error":null}',0,'{"engine":"local","isolation":"namespace","shortfalls":[{"what":"cpus","why":"no cgroup","cure":"use systemd"}]}','{"cpu_ms":12,"memory_peak_bytes":4096,"oom_kills":0,"cpu_throttled_ms":null,"processes_peak":null,"processes_refused":null,"disk_bytes":null,"output_bytes":null,"egress_sent_bytes":null,"egress_received_bytes":null,"model_calls":null,"input_tokens":null,"output_tokens":null,"cost_usd":null}',321,22,X'0707070707070707070707070707070707070707070707070707070707070707',1,17,NULL,NULL,3,0,'Over','key-0',X'0505050505050505050505050505050505050505050505050505050505050505',NULL,10,20,'{"summary":"said hi","artifacts":["a.txt"],"checks":[{"what":"it is there","command":"test -f a.txt","passed":true,"found":""}],"verified":true}',NULL,'{"steps":2,"model_calls":1,"input_tokens":0,"output_tokens":0,"cost":null}',0,NULL);
INSERT INTO jobs VALUES('01a20064-0429-755d-a0a6-c190a4606abb',1790000040000000,'error',1790000041000000,1790000050000000,'{"status":"error","reason":"sandbox_lost","exit_code":null,"error":"it was killed"}',0,NULL,NULL,200,6,NULL,0,0,'{}',NULL,0,0,'Lost',NULL,NULL,NULL,0,0,NULL,NULL,NULL,1,NULL);
INSERT INTO jobs VALUES('01a20064-042f-7505-bfc2-827ae021cda0',1790000052000000,'packaging',1790000053000000,NULL,'{"status":"cancelled","reason":"cancelled","exit_code":null,"error":null}',1,NULL,NULL,NULL,5,NULL,0,0,NULL,NULL,0,0,'Cancelled while packed',NULL,NULL,NULL,0,0,NULL,NULL,NULL,0,NULL);
INSERT INTO jobs VALUES('01a20064-0442-77ed-9dc3-22f04727d21a',1790000060000000,'running',1790000061000000,NULL,NULL,0,'{"engine":"local","isolation":"namespace","shortfalls":[{"what":"cpus","why":"no cgroup","cure":"use systemd"}]}',NULL,NULL,16,X'0909090909090909090909090909090909090909090909090909090909090909',1,11,'{"node":"run","state":{"next":2}}',2,3,0,'Runs','key-60',X'0505050505050505050505050505050505050505050505050505050505050505',NULL,0,0,NULL,NULL,NULL,0,NULL);
INSERT INTO jobs VALUES('01a20064-0446-72ba-b5af-e27a94bf937f',1790000080000000,'scheduled',NULL,NULL,NULL,0,NULL,NULL,NULL,1,NULL,0,0,NULL,NULL,0,0,'Waits','key-80',X'0505050505050505050505050505050505050505050505050505050505050505',NULL,0,0,NULL,NULL,NULL,0,NULL);
CREATE TABLE keys (
    id   TEXT PRIMARY KEY,
    hash BLOB NOT NULL,
    key  TEXT NOT NULL                          -- ApiKey
) STRICT;
INSERT INTO keys VALUES('k1',X'0303030303030303030303030303030303030303030303030303030303030303','{"id":"k1","name":"ci","scope":"submit","created":"2026-09-01T00:00:00Z","expires":null,"revoked":null}');
CREATE TABLE specs (
    job    TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    prompt TEXT NOT NULL,
    spec   TEXT NOT NULL                        -- JobSpec without its prompt
) STRICT;
INSERT INTO specs VALUES('01a20064-0422-74c6-aa0a-cc6baf02d8e9','# Over

```bash
echo hi
```
','{"title":"Over","prompt":"","mode":"agent","engine":"local","image":null,"desktop":false,"limits":{"cpus":2.0,"memory_bytes":2147483648,"processes":512,"open_files":4096,"disk_bytes":4294967296,"file_bytes":4294967296,"wall_seconds":3600,"output_bytes":1073741824,"steps":1000,"model_calls":1000,"model_tokens":50000000,"cost_usd":10.0},"network":["example.org"],"environment":{"A":"b c"},"include_caches":true,"model":"gemini","approve":true}');
INSERT INTO specs VALUES('01a20064-0429-755d-a0a6-c190a4606abb','# Lost

```bash
echo hi
```
','{"title":"Lost","prompt":"","mode":"runbook","engine":"local","image":null,"desktop":false,"limits":{"cpus":2.0,"memory_bytes":2147483648,"processes":512,"open_files":4096,"disk_bytes":4294967296,"file_bytes":4294967296,"wall_seconds":3600,"output_bytes":1073741824,"steps":1000,"model_calls":1000,"model_tokens":50000000,"cost_usd":10.0},"network":["example.org"],"environment":{"A":"b c"},"include_caches":true,"model":null,"approve":false}');
INSERT INTO specs VALUES('01a20064-042f-7505-bfc2-827ae021cda0','# Cancelled while packed

```bash
echo hi
```
','{"title":"Cancelled while packed","prompt":"","mode":"runbook","engine":"local","image":null,"desktop":false,"limits":{"cpus":2.0,"memory_bytes":2147483648,"processes":512,"open_files":4096,"disk_bytes":4294967296,"file_bytes":4294967296,"wall_seconds":3600,"output_bytes":1073741824,"steps":1000,"model_calls":1000,"model_tokens":50000000,"cost_usd":10.0},"network":["example.org"],"environment":{"A":"b c"},"include_caches":true,"model":null,"approve":false}');
INSERT INTO specs VALUES('01a20064-0442-77ed-9dc3-22f04727d21a','# Runs

```bash
echo hi
```
','{"title":"Runs","prompt":"","mode":"runbook","engine":"local","image":null,"desktop":false,"limits":{"cpus":2.0,"memory_bytes":2147483648,"processes":512,"open_files":4096,"disk_bytes":4294967296,"file_bytes":4294967296,"wall_seconds":3600,"output_bytes":1073741824,"steps":1000,"model_calls":1000,"model_tokens":50000000,"cost_usd":10.0},"network":["example.org"],"environment":{"A":"b c"},"include_caches":true,"model":null,"approve":false}');
INSERT INTO specs VALUES('01a20064-0446-72ba-b5af-e27a94bf937f','# Waits

```bash
echo hi
```
','{"title":"Waits","prompt":"","mode":"runbook","engine":"local","image":null,"desktop":false,"limits":{"cpus":2.0,"memory_bytes":2147483648,"processes":512,"open_files":4096,"disk_bytes":4294967296,"file_bytes":4294967296,"wall_seconds":3600,"output_bytes":1073741824,"steps":1000,"model_calls":1000,"model_tokens":50000000,"cost_usd":10.0},"network":["example.org"],"environment":{"A":"b c"},"include_caches":true,"model":null,"approve":false}');
CREATE INDEX jobs_finished ON jobs (completed) WHERE completed IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_key ON jobs (request_key) WHERE request_key IS NOT NULL;
CREATE INDEX jobs_by_status ON jobs (status, id);
CREATE INDEX jobs_unfinished ON jobs (id) WHERE completed IS NULL;
CREATE INDEX jobs_kept ON jobs (completed) WHERE kept;
CREATE UNIQUE INDEX jobs_by_resumed ON jobs (resumes) WHERE resumes IS NOT NULL;
COMMIT;
PRAGMA user_version = 5;
